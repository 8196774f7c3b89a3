"""Errors of a task, as one tree.

::

    ProcessorError
    ├── RenderError            one photo; permanent: the same bytes fail again
    │   ├── NotAnImage         the file has no image format that is supported
    │   ├── NotAllowed         a format that is recognised and never opened (SVG, PDF, ...)
    │   ├── TooManyPixels      the header exceeds the pixel limit; nothing was decoded
    │   ├── TooMuchMemory      rendering needs more memory than a task has
    │   └── BrokenPixels       header or pixels are damaged or cut off
    └── TaskError              between a task and the rest of the system
        ├── BackendUnavailable no response, or a transient error until all retries were used; worth a retry
        ├── BackendDenied      the token is missing, wrong or outdated; ends the task
        ├── VersionMismatch    backend and processor have different versions; ends the task
        ├── BackendRejected    backend or task could not read a message of the other; ends the task
        ├── TooManyFailures    several images in a row met a transient error; ends the task, worth a retry
        ├── LeaseLost          another task may have the image now: drop it
        ├── ImageGone          the image has been deleted: drop it
        ├── RenderOverdue      a rendering does not end: its next attempt is quarantined; ends the task
        └── SandboxDied        a quarantined image ended its sandbox process: counts as a crash

The class attribute `temporary` of every leaf states whether a retry can help.
A message is a complete sentence that names the file, the reason and, where there is one, what to do.
"""

from __future__ import annotations

from typing import ClassVar

_MAX_NAME = 120


class ProcessorError(Exception):
    """Base of all errors. `temporary` is True where the same work may succeed later."""

    temporary: ClassVar[bool] = False


class RenderError(ProcessorError):
    """A photo that cannot be rendered.

    Attributes:
        name: The file's name, as its owner uploaded it.
        reason: The rest of the sentence "NAME ...".
        advice: A sentence of its own, or empty.
    """

    def __init__(self, name: str, reason: str, advice: str = "") -> None:
        self.name = printable_name(name)
        self.reason = reason
        self.advice = advice
        sentence = f"{self.name} {reason}."
        super().__init__(f"{sentence} {advice}." if advice else sentence)

    def __reduce__(self) -> tuple[type[RenderError], tuple[str, str, str]]:
        """Let the error travel between processes, which the default does not."""
        return type(self), (self.name, self.reason, self.advice)


class NotAnImage(RenderError):
    """The first bytes belong to no image format that is supported."""


class NotAllowed(RenderError):
    """The format is recognised but not opened: it is not a photo, or its decoder is not safe enough."""


class TooManyPixels(RenderError):
    """The header declares more pixels than the limit."""


class TooMuchMemory(RenderError):
    """Rendering needs more memory than a task has, even with nothing else in memory."""


class BrokenPixels(RenderError):
    """Header or pixels are damaged or cut off: the photo is rejected as a whole."""


class TaskError(ProcessorError):
    """An error between the task and the rest of the system.

    Attributes:
        status: HTTP status of the response that caused it, if there was one.
        body: Body of that response.
    """

    status: int | None = None
    body: bytes = b""


class BackendUnavailable(TaskError):
    """The backend cannot serve the call now. `retry_after` is the header of that name, unparsed."""

    temporary = True
    retry_after: str | None = None


class BackendDenied(TaskError):
    """The backend does not accept the task's token."""


class VersionMismatch(TaskError):
    """Backend and processor would not render the same variants."""


class BackendRejected(TaskError):
    """The backend rejected a request, or its response cannot be read."""


class TooManyFailures(TaskError):
    """A transient error did not end in time. Further work would only cost time."""

    temporary = True


class LeaseLost(TaskError):
    """The task no longer holds the image's lease."""


class ImageGone(TaskError):
    """The image no longer exists."""


class RenderOverdue(TaskError):
    """Rendering exceeded a time limit that every photo should meet; its thread is stuck."""


class SandboxDied(TaskError):
    """The sandbox process of a quarantined image crashed, failed or exceeded its time limit."""


def is_resource_shortage(error: BaseException) -> bool:
    """Return whether the system is out of memory, a process or a thread, which says nothing about the photo.

    Errors of the photo itself are RenderErrors. Python has no exception class for a thread that could not be
    started, only a text (`Modules/_threadmodule.c`).
    """
    if isinstance(error, (OSError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def printable_name(name: str) -> str:
    """Return `name` for log lines: control characters replaced, and at most 120 characters."""
    clean = "".join(character if character.isprintable() else "?" for character in name) or "the image"
    return clean if len(clean) <= _MAX_NAME else f"{clean[: _MAX_NAME - 1]}…"
