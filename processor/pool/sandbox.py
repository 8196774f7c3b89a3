"""Render a quarantined image in a separate process, so that the task survives a crash.

`render_in_sandbox` runs in the task; `python -m processor.pool.sandbox` is the sandbox process. One message goes each
way, in MessagePack over the standard input and output of the process. A photo that the process rejects is a failure
like any other. Only an abnormal exit of the process (signal, non-zero exit code, timeout or oversized output) raises
SandboxDied and counts as a crash.

The process never receives the backend's token. It limits its own CPU time and memory before it reads the photo,
and ends itself when the task has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from contract.messages import DECODE_ERRORS
from contract.messages.processing import Device, Focus
from processor.errors import RenderError, SandboxDied, TooMuchMemory, printable_name
from processor.render.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)

_MIB = 1024 * 1024
MAX_RESPONSE_BYTES = 256 * _MIB
MAX_STDERR_BYTES = 4096
"""Bytes of the end of the standard error that are logged."""
MIN_SANDBOX_MEMORY = 512 * _MIB
"""With less memory the libraries alone may not load, which would count as a crash of an innocent photo."""
_SECRETS = ("BACKEND_AUTH_TOKEN",)


class SandboxSettings(Struct, frozen=True, kw_only=True):
    """Command of the process, and its limits: seconds of CPU, seconds of wall time, bytes of memory, pixels."""

    command: tuple[str, ...] = (sys.executable, "-m", "processor.pool.sandbox")
    cpu_seconds: int = 100
    wall_seconds: float = 120.0
    memory_bytes: int = 800 * _MIB
    limits: Limits = DEFAULT_LIMITS


class SandboxRequest(Struct, frozen=True, kw_only=True):
    """The photo to render, the devices, and the limits that the process sets for itself."""

    name: str
    devices: tuple[Device, ...]
    data: bytes
    cpu_seconds: int
    memory_bytes: int
    parent_pid: int
    limits: Limits = DEFAULT_LIMITS
    focus: Focus | None = None
    turn: int = 0


class Rejection(Struct, frozen=True, kw_only=True):
    """The parts of a RenderError; `kind` is the name of its class."""

    kind: str
    reason: str
    advice: str = ""


class SandboxResponse(Struct, frozen=True, kw_only=True):
    """Either a rejection or the encoded RenderedImage."""

    rejection: Rejection | None = None
    rendered: bytes = b""


async def render_in_sandbox(
    data: bytes,
    devices: tuple[Device, ...],
    name: str,
    settings: SandboxSettings,
    focus: Focus | None = None,
    turn: int = 0,
    environ: Mapping[str, str] = os.environ,
) -> RenderedImage:
    """Render one image in a separate process.

    The process has ended when this returns, also when it is cancelled.

    Raises:
        SandboxDied: The process ended abnormally.
        RenderError: The process rejected the photo.
    """
    shown = printable_name(name)
    request = SandboxRequest(
        name=name,
        devices=devices,
        data=data,
        cpu_seconds=settings.cpu_seconds,
        memory_bytes=max(settings.memory_bytes, MIN_SANDBOX_MEMORY),
        parent_pid=os.getpid(),
        limits=settings.limits,
        focus=focus,
        turn=turn,
    )
    process = await asyncio.create_subprocess_exec(
        *settings.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in environ.items() if key not in _SECRETS},
        start_new_session=True,  # Ctrl-C on the terminal goes to the task only, which then decides
    )
    responding = asyncio.create_task(_read_all(process.stdout, MAX_RESPONSE_BYTES))
    logging_ = asyncio.create_task(_read_end(process.stderr, MAX_STDERR_BYTES))
    sending = asyncio.create_task(_send(process.stdin, msgspec.msgpack.encode(request)))
    try:
        async with asyncio.timeout(settings.wall_seconds):
            response, stderr, _ = await asyncio.gather(responding, logging_, sending)
            code = await process.wait()
    except TimeoutError:
        limit = f"{settings.wall_seconds:g} seconds"
        raise SandboxDied(f"{shown} could not be rendered within {limit}, even alone.") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            pipes = (responding, logging_, sending)
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
            # A pipe that is not read never reports its end, and wait() waits for the end of both pipes.
            await asyncio.gather(_read_end(process.stdout, 1), _read_end(process.stderr, 1), process.wait())
    if stderr:
        log.info("standard error of the sandbox for %s: %s", shown, stderr.decode(errors="replace").strip())
    if code != 0:
        raise SandboxDied(f"Rendering {shown} ended its own process ({_exit_reason(code)}).")
    return _read_response(response, name)


def _exit_reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _read_response(response: bytes, name: str) -> RenderedImage:
    from processor import errors
    from processor.render.pipeline import RenderedImage

    try:
        decoded = msgspec.msgpack.decode(response, type=SandboxResponse)
        if decoded.rejection is None:
            return msgspec.msgpack.decode(decoded.rendered, type=RenderedImage)
    except DECODE_ERRORS as error:
        raise SandboxDied(f"Rendering {printable_name(name)} ended without a usable response ({error}).") from error
    kind = getattr(errors, decoded.rejection.kind, RenderError)
    if not (isinstance(kind, type) and issubclass(kind, RenderError)):
        kind = RenderError
    raise kind(name, decoded.rejection.reason, decoded.rejection.advice)


async def _read_all(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    if stream is None:
        return b""
    pieces, size = [], 0
    while piece := await stream.read(1 << 16):
        size += len(piece)
        if size > limit:
            raise SandboxDied(f"Rendering sent a response of more than {limit:,} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


async def _read_end(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    end = b""
    while stream is not None and (piece := await stream.read(1 << 16)):
        end = (end + piece)[-limit:]
    return end


async def _send(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    try:
        stream.write(data)
        await stream.drain()
    except (BrokenPipeError, ConnectionResetError):
        log.info("the sandbox process ended before it had read the photo")  # its exit code says the rest
    finally:
        stream.close()


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    """Limit this process; RLIMIT_DATA counts the memory that it writes to, not the code that it maps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def respond(request: SandboxRequest) -> SandboxResponse:
    """Render the photo of `request`, in the sandbox process; return the result or the reason for its rejection."""
    from processor.codecs.download_buffer import content_of
    from processor.render import pipeline
    from processor.render.camera_raw import photo_in
    from processor.render.decode_plan import estimate_bytes
    from processor.render.header import read_header

    try:
        photo = content_of(photo_in(request.data, request.name))
        header = pipeline.turned_header(read_header(photo, request.name, request.limits), request.turn)
        needed = estimate_bytes(header, request.devices, len(photo))
        if needed > request.memory_bytes:
            raise too_much_memory(request.name, needed, request.memory_bytes)
        rendered = pipeline.render_image(
            photo,
            request.devices,
            focus=request.focus,
            turn=request.turn,
            name=request.name,
            limits=request.limits,
        )
    except RenderError as error:
        return SandboxResponse(rejection=Rejection(kind=type(error).__name__, reason=error.reason, advice=error.advice))
    return SandboxResponse(rendered=msgspec.msgpack.encode(rendered))


def too_much_memory(name: str, needed: int, available: int) -> TooMuchMemory:
    """Return the error for a photo that cannot be rendered even alone; sizes in bytes."""
    return TooMuchMemory(
        name,
        f"would need about {needed // _MIB:,} MiB of memory, and a task has {available // _MIB:,} MiB for rendering",
        "Give the tasks more memory, or upload a smaller version",
    )


def main() -> int:
    """Read one request from standard input, and write one response to standard output."""
    from processor.pool.process import watch_parent

    # Text that a library prints must not get into the response: it goes to standard error.
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=SandboxRequest)
    watch_parent(request.parent_pid)
    _limit(request.cpu_seconds, request.memory_bytes)
    with responses:
        responses.write(msgspec.msgpack.encode(respond(request)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
