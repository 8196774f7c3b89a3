"""A quarantined image is rendered in the sandbox; only the death of that process counts as a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from contract.recipes import recipe
from processor.errors import NotAnImage, SandboxDied, TooMuchMemory
from processor.pool import sandbox as sandbox_module
from processor.pool.sandbox import SandboxRequest, SandboxSettings, render_in_sandbox, respond
from processor.render.pipeline import RenderedImage, render_image
from processor.task.image_job import Outcome
from tests.support.task_world import DEVICES, World, jpeg

pytestmark = pytest.mark.server

READ = "import sys; sys.stdin.buffer.read(); "


def python(code: str, **settings: float) -> SandboxSettings:
    return SandboxSettings(command=(sys.executable, "-c", code), **settings)  # type: ignore[arg-type]


def render(data: bytes, settings: SandboxSettings) -> RenderedImage:
    return asyncio.run(render_in_sandbox(data, DEVICES, "odd.jpg", settings))


def test_sandbox_good_photo_equals_render_image() -> None:
    data = jpeg(1)
    assert render(data, SandboxSettings()) == render_image(data, DEVICES, name="odd.jpg")


def test_sandbox_rejection_equals_that_of_render_image() -> None:
    with pytest.raises(NotAnImage, match=r"odd\.jpg") as caught:
        render(b"only text, and nothing more than text", SandboxSettings())
    with pytest.raises(NotAnImage) as direct:
        render_image(b"only text, and nothing more than text", DEVICES, name="odd.jpg")
    assert str(caught.value) == str(direct.value)


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (READ + "import os; os.abort()", "signal SIGABRT"),
        (READ + "import os; os.kill(os.getpid(), 9)", "signal SIGKILL"),
        ("import sys; sys.exit(3)", "exit code 3"),
        (READ + "print('no message')", "without a usable response"),
    ],
)
def test_sandbox_death_reports_its_cause(code: str, how: str) -> None:
    with pytest.raises(SandboxDied, match=how) as caught:
        render(jpeg(1), python(code))
    assert "odd.jpg" in str(caught.value)


def test_sandbox_endless_response_raises_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "MAX_RESPONSE_BYTES", 100_000)
    code = READ + "import os\nwhile True: os.write(1, b'x' * 65536)"
    with pytest.raises(SandboxDied, match="more than 100,000 bytes"):
        render(jpeg(1), python(code, wall_seconds=20))


def test_sandbox_that_reads_nothing_reports_its_exit_code() -> None:
    with pytest.raises(SandboxDied, match="exit code 5"):
        render(os.urandom(4_000_000), python("import os; os._exit(5)"))


def test_sandbox_overdue_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(SandboxDied, match="within 1 seconds"):
        render(jpeg(1), python(code, wall_seconds=1.0))
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_sandbox_cancelled_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    async def scenario() -> None:
        work = asyncio.create_task(render_in_sandbox(jpeg(1), DEVICES, "odd.jpg", python(code)))
        async with asyncio.timeout(10):
            while not (note.exists() and note.read_text()):  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.02)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(scenario())
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_sandbox_has_no_token_and_its_log_is_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    code = READ + "import os; sys.stderr.write('x' * 9000 + str('BACKEND_AUTH_TOKEN' in os.environ))"
    environ = {**os.environ, "BACKEND_AUTH_TOKEN": "a-secret-token"}
    with pytest.raises(SandboxDied):
        asyncio.run(render_in_sandbox(jpeg(1), DEVICES, "odd.jpg", python(code), environ=environ))
    assert "xFalse" in caplog.text
    assert len(caplog.text) < 6000


def test_sandbox_beyond_its_memory_is_stopped() -> None:
    """The real sandbox, with a limit below its use after its own estimate was passed."""
    code = (
        "import sys, msgspec, processor.pool.sandbox as s\n"
        "request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=s.SandboxRequest)\n"
        "s._limit(request.cpu_seconds, request.memory_bytes)\n"
        "hog = bytearray(2 * request.memory_bytes)\n"
    )
    with pytest.raises(SandboxDied, match="exit code 1"):
        render(jpeg(1), python(code))


def test_sandbox_photo_beyond_memory_is_rejected() -> None:
    request = SandboxRequest(name="odd.jpg", devices=DEVICES, data=jpeg(1), cpu_seconds=9, memory_bytes=1, parent_pid=1)
    rejection = respond(request).rejection
    assert rejection is not None
    assert rejection.kind == TooMuchMemory.__name__


def test_task_quarantined_good_photo_completes(world: World) -> None:
    suspect = world.add(jpeg(3), "suspect.jpg", suspect=True)
    others = world.add_photos(2)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 3}
    assert suspect.rows["tall"].recipe == recipe(60, 100)
    assert all(other.state == "complete" for other in others)


def test_task_quarantined_crash_counts_and_others_complete(world: World) -> None:
    suspect = world.add(jpeg(4), "killer.jpg", suspect=True)
    others = world.add_photos(3)
    code, task = world.run(sandbox=python(READ + "import os; os.abort()"))
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 3, Outcome.FAILED: 1}
    assert (suspect.state, suspect.strikes, suspect.attempts) == ("failed", 1, 1)
    assert suspect.error == f"Rendering killer.jpg ended its own process (signal {signal.SIGABRT.name})."
    assert all(other.state == "complete" for other in others)


def test_task_quarantined_bad_photo_fails_without_a_crash(world: World) -> None:
    suspect = world.add(b"text and no picture whatsoever", "text.jpg", suspect=True)
    assert world.run()[0] == 0
    assert (suspect.state, suspect.strikes) == ("failed", 0)
    assert suspect.error.startswith("text.jpg")
