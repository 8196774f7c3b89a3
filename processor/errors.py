"""What can go wrong in a task, as one tree.

::

    ProcessorError
    ├── RenderError            one photo; permanent: the same bytes fail again
    │   ├── NotAnImage         no picture format that we know
    │   ├── NotAllowed         a known format, but none that we open (SVG, PDF, ...)
    │   ├── TooManyPixels      beyond the pixel limit by its header; nothing was decoded
    │   ├── TooMuchMemory      would need more memory than a task has
    │   └── BrokenPixels       header or pixels are damaged or cut off
    └── TaskError              between a task and the rest of the system
        ├── BackendUnavailable no answer, or "not now", for as long as we tried; worth another try
        ├── BackendDenied      the token is missing, wrong or outdated; ends the task
        ├── VersionMismatch    backend and processor are of different versions; ends the task
        ├── BackendRejected    it did not understand us, or we did not it; ends the task
        ├── TooManyFailures    one image after the other met a passing fault; ends the task, worth another try
        ├── LeaseLost          someone else may have the image by now: drop it
        ├── ImageGone          the image has been deleted: drop it
        ├── RenderOverdue      a picture takes far too long: its next attempt is a suspect's; ends the task
        └── SandboxDied          rendering a suspect ended its process: a strike

Every leaf says by `temporary` whether another try can help. A message is a whole sentence that
names the file, the reason and, where there is one, what to do.
"""

from __future__ import annotations

from typing import ClassVar

_MAX_NAME = 120


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
        super().__init__(f"{sentence} {advice}." if advice else sentence)

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


class TaskError(ProcessorError):
    """A sentence for a person; `status` and `body` are those of the refusing answer, where there was one."""

    status: int | None = None
    body: bytes = b""


class BackendUnavailable(TaskError):
    """Not now. `retry_after` is the header of that name as it came, if it came."""

    temporary = True
    retry_after: str | None = None


class BackendDenied(TaskError):
    """The backend does not accept our token."""


class VersionMismatch(TaskError):
    """Backend and processor would not make the same pictures."""


class BackendRejected(TaskError):
    """A request or an answer that the other side does not understand."""


class TooManyFailures(TaskError):
    """Faults that should pass did not: going on would only burn time."""

    temporary = True


class LeaseLost(TaskError):
    """The image is no longer ours."""


class ImageGone(TaskError):
    """The image does not exist any more."""


class RenderOverdue(TaskError):
    """Rendering has not ended in a time in which every picture should; its thread is stuck."""


class SandboxDied(TaskError):
    """The process that rendered a suspect image was killed, gave up or was overdue."""


def is_fault_of_the_machine(error: BaseException) -> bool:
    """Whether what was raised says that the system lacks something - memory, a process, a thread - and nothing
    of the photo, whose own faults come as RenderError.

    Python has no class of its own for a thread that could not be started, only a text (`Modules/_threadmodule.c`).
    """
    if isinstance(error, (OSError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def printable_name(name: str) -> str:
    """`name` without what would spoil a log line: control characters replaced, very long ones cut."""
    clean = "".join(character if character.isprintable() else "?" for character in name) or "the image"
    return clean if len(clean) <= _MAX_NAME else f"{clean[: _MAX_NAME - 1]}…"
