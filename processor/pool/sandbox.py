"""A suspect image is rendered in a process of its own: whatever it does, the task survives.

`render_in_child` runs in the task; `python -m processor.pool.sandbox` is the child. One message goes each way, in
MessagePack over the child's standard input and output. A photo that the child refuses is a failure like any other;
only the death of the child - by a signal, by an exit code, by being overdue, by babbling - is SandboxDied, a strike.

The child never sees the backend's token, limits its own CPU time and memory before it
looks at the bytes, and ends itself when the task is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from contract.messages import DECODE_ERRORS
from contract.messages.processing import Device, Focus
from contract.recipes import DEFAULT_FRAMING
from processor.errors import RenderError, SandboxDied, TooMuchMemory, printable_name
from processor.render.limits import DEFAULT_LIMITS, Limits
from processor.settings import MEBIBYTE

if TYPE_CHECKING:
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 256 * MEBIBYTE
KEPT_STDERR_BYTES = 4096
MIN_CHILD_MEMORY = 512 * MEBIBYTE
"""Below this the libraries alone may not load, which would be a strike against an innocent photo."""
_SECRETS = ("BACKEND_AUTH_TOKEN",)


class SandboxSettings(Struct, frozen=True, kw_only=True):
    """How the child is run: its command, seconds of CPU and of wall time, bytes of memory, pixels of a picture."""

    command: tuple[str, ...] = (sys.executable, "-m", "processor.pool.sandbox")
    cpu_seconds: int = 100
    wall_seconds: float = 120.0
    memory_bytes: int = 800 * MEBIBYTE
    limits: Limits = DEFAULT_LIMITS


class SandboxRequest(Struct, frozen=True, kw_only=True):
    """What the child is to render; `cpu_seconds` is its limit."""

    name: str
    devices: tuple[Device, ...]
    data: bytes
    cpu_seconds: int
    memory_bytes: int
    parent_pid: int
    limits: Limits = DEFAULT_LIMITS
    focus: Focus | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """The child's RenderError, taken apart."""

    kind: str
    reason: str
    advice: str = ""


class SandboxResponse(Struct, frozen=True, kw_only=True):
    """Either a refusal or the encoded RenderedImage."""

    refusal: Refusal | None = None
    rendered: bytes = b""


async def render_in_child(
    data: bytes,
    devices: tuple[Device, ...],
    name: str,
    child: SandboxSettings,
    focus: Focus | None = None,
    environ: Mapping[str, str] = os.environ,
) -> RenderedImage:
    """Render one image in a process of its own.

    Raises SandboxDied if the process did not end in order, and the RenderError that it reports.
    The process has ended when this returns, also when it is cancelled.
    """
    shown = printable_name(name)
    request = SandboxRequest(
        name=name,
        devices=devices,
        data=data,
        cpu_seconds=child.cpu_seconds,
        memory_bytes=max(child.memory_bytes, MIN_CHILD_MEMORY),
        parent_pid=os.getpid(),
        limits=child.limits,
        focus=focus,
    )
    process = await asyncio.create_subprocess_exec(
        *child.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in environ.items() if key not in _SECRETS},
        start_new_session=True,  # a Ctrl-C on the terminal is for the task, which then decides
    )
    answering = asyncio.create_task(_all_of(process.stdout, MAX_ANSWER_BYTES))
    saying = asyncio.create_task(_end_of(process.stderr, KEPT_STDERR_BYTES))
    sending = asyncio.create_task(_send(process.stdin, msgspec.msgpack.encode(request)))
    try:
        async with asyncio.timeout(child.wall_seconds):
            answer, said, _ = await asyncio.gather(answering, saying, sending)
            code = await process.wait()
    except TimeoutError:
        raise SandboxDied(f"{shown} could not be rendered within {child.wall_seconds:g} seconds, even alone.") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            talking = (answering, saying, sending)
            for talk in talking:
                talk.cancel()
            await asyncio.gather(*talking, return_exceptions=True)
            # A pipe that nobody empties any more never shows its end, and wait() waits for both ends.
            await asyncio.gather(_end_of(process.stdout, 1), _end_of(process.stderr, 1), process.wait())
    if said:
        log.info("The child that rendered %s said: %s", shown, said.decode(errors="replace").strip())
    if code != 0:
        raise SandboxDied(f"Rendering {shown} ended its own process ({_how(code)}).")
    return _read_answer(answer, name)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _read_answer(answer: bytes, name: str) -> RenderedImage:
    from processor import errors
    from processor.render.pipeline import RenderedImage

    try:
        decoded = msgspec.msgpack.decode(answer, type=SandboxResponse)
        if decoded.refusal is None:
            return msgspec.msgpack.decode(decoded.rendered, type=RenderedImage)
    except DECODE_ERRORS as error:
        raise SandboxDied(f"Rendering {printable_name(name)} ended without a usable answer ({error}).") from error
    kind = getattr(errors, decoded.refusal.kind, RenderError)
    if not (isinstance(kind, type) and issubclass(kind, RenderError)):
        kind = RenderError
    raise kind(name, decoded.refusal.reason, decoded.refusal.advice)


async def _all_of(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    if stream is None:
        return b""
    pieces, size = [], 0
    while piece := await stream.read(1 << 16):
        size += len(piece)
        if size > limit:
            raise SandboxDied(f"Rendering gave an answer of more than {limit:,} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


async def _end_of(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    kept = b""
    while stream is not None and (piece := await stream.read(1 << 16)):
        kept = (kept + piece)[-limit:]
    return kept


async def _send(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    try:
        stream.write(data)
        await stream.drain()
    except (BrokenPipeError, ConnectionResetError):
        log.info("The child ended before it had read its picture")  # its exit code says the rest
    finally:
        stream.close()


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    """Limit this process; RLIMIT_DATA counts what it writes to, not the code that it maps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def answer_to(request: SandboxRequest) -> SandboxResponse:
    """What the child does: a picture or the reason why there is none."""
    from processor.render.decode import estimate_bytes, read_header
    from processor.render.pipeline import render_image

    try:
        header = read_header(request.data, request.name, request.limits)
        needed = estimate_bytes(header, request.devices, len(request.data))
        if needed > request.memory_bytes:
            raise too_much_memory(request.name, needed, request.memory_bytes)
        render = partial(render_image, framing=DEFAULT_FRAMING, focus=request.focus)
        rendered = render(request.data, request.devices, name=request.name, limits=request.limits)
    except RenderError as error:
        return SandboxResponse(refusal=Refusal(kind=type(error).__name__, reason=error.reason, advice=error.advice))
    return SandboxResponse(rendered=msgspec.msgpack.encode(rendered))


def too_much_memory(name: str, needed: int, available: int) -> TooMuchMemory:
    """The refusal of a picture that could not even be rendered alone."""
    return TooMuchMemory(
        name,
        f"would need about {needed // MEBIBYTE:,} MiB of memory, and a task has {available // MEBIBYTE:,} MiB "
        "for rendering",
        "Give the tasks more memory, or upload a smaller version.",
    )


def main() -> int:
    """The child: one request from standard input, one answer to standard output."""
    from processor.pool.process import watch_parent

    # What a library prints must not get into the answer: it goes where errors go.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=SandboxRequest)
    watch_parent(request.parent_pid)
    _limit(request.cpu_seconds, request.memory_bytes)
    with answers:
        answers.write(msgspec.msgpack.encode(answer_to(request)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
