"""What can go wrong in a task, as one tree.

::

    ProcessorError
    └── RenderError            one photo; permanent: the same bytes fail again
        ├── NotAnImage         no picture format that we know
        ├── NotAllowed         a known format, but none that we open (SVG, PDF, ...)
        ├── TooManyPixels      beyond the pixel limit by its header; nothing was decoded
        ├── TooMuchMemory      would need more memory than a task has
        └── BrokenPixels       header or pixels are damaged or cut off

Every leaf says by `temporary` whether another try can help. A message is a whole sentence that
names the file, the reason and, where there is one, what to do.
"""

from __future__ import annotations

from typing import ClassVar

_LONGEST_NAME = 120


class ProcessorError(Exception):
    """The root. `temporary` is True where the same work may succeed later."""

    temporary: ClassVar[bool] = False


class RenderError(ProcessorError):
    """A photo that cannot be rendered.

    `name` is what the owner knows the file by, `reason` completes the sentence "NAME ...", and
    `advice` is a sentence of its own, or empty.
    """

    def __init__(self, name: str, reason: str, advice: str = "") -> None:
        self.name = printable_name(name)
        self.reason = reason
        self.advice = advice
        sentence = f"{self.name} {reason}."
        super().__init__(f"{sentence} {advice}" if advice else sentence)

    def __reduce__(self) -> tuple[type[RenderError], tuple[str, str, str]]:
        """Lets the error travel between processes, which the default would not."""
        return type(self), (self.name, self.reason, self.advice)


class NotAnImage(RenderError):
    """The first bytes are those of no picture format that we know."""


class NotAllowed(RenderError):
    """A known format that is not opened, because it is no photo or its decoder is not safe enough."""


class TooManyPixels(RenderError):
    """The header promises more pixels than the limit."""


class TooMuchMemory(RenderError):
    """Rendering would need more memory than a task has, even with nothing beside it."""


class BrokenPixels(RenderError):
    """Header or pixels are damaged or cut off: the picture is refused as a whole."""


def printable_name(name: str) -> str:
    """`name` without what would spoil a log line: control characters replaced, very long ones cut."""
    clean = "".join(character if character.isprintable() else "?" for character in name) or "the image"
    return clean if len(clean) <= _LONGEST_NAME else f"{clean[: _LONGEST_NAME - 1]}…"
