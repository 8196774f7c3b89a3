"""A suspect is rendered in a process of its own; only the death of that process is a strike."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.recipes import DEFAULT_FRAMING, recipe
from processor.errors import NotAnImage, SandboxDied, TooMuchMemory
from processor.pool import sandbox as suspect_module
from processor.pool.sandbox import SandboxRequest, SandboxSettings, answer_to, render_in_child
from processor.render.pipeline import RenderedImage, render_image
from processor.task.image_job import Outcome
from tests.support.claims_server import ClaimsServer
from tests.support.task_world import DEVICES, World, jpeg

pytestmark = pytest.mark.server

READ = "import sys; sys.stdin.buffer.read(); "


def python(code: str, **settings: float) -> SandboxSettings:
    return SandboxSettings(command=(sys.executable, "-c", code), **settings)  # type: ignore[arg-type]


def render(data: bytes, child: SandboxSettings) -> RenderedImage:
    return asyncio.run(render_in_child(data, DEVICES, "odd.jpg", child))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def test_a_good_picture_comes_back_as_if_rendered_here() -> None:
    data = jpeg(1)
    assert render(data, SandboxSettings()) == render_image(data, DEVICES, framing=DEFAULT_FRAMING, name="odd.jpg")


def test_a_refusal_in_the_child_is_the_same_refusal_here() -> None:
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
        (READ + "print('no message')", "without a usable answer"),
    ],
)
def test_the_death_of_the_child_says_how(code: str, how: str) -> None:
    with pytest.raises(SandboxDied, match=how) as caught:
        render(jpeg(1), python(code))
    assert "odd.jpg" in str(caught.value)


def test_an_answer_without_end_is_a_death_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspect_module, "MAX_ANSWER_BYTES", 100_000)
    code = READ + "import os\nwhile True: os.write(1, b'x' * 65536)"
    with pytest.raises(SandboxDied, match="more than 100,000 bytes"):
        render(jpeg(1), python(code, wall_seconds=20))


def test_a_child_that_does_not_read_its_picture_is_told_by_its_code() -> None:
    with pytest.raises(SandboxDied, match="exit code 5"):
        render(os.urandom(4_000_000), python("import os; os._exit(5)"))


def test_an_overdue_child_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(SandboxDied, match="within 1 seconds"):
        render(jpeg(1), python(code, wall_seconds=1.0))
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_cancelled_child_is_killed_as_well(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    async def scenario() -> None:
        work = asyncio.create_task(render_in_child(jpeg(1), DEVICES, "odd.jpg", python(code)))
        async with asyncio.timeout(10):
            while not (note.exists() and note.read_text()):  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.02)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(scenario())
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_the_child_does_not_see_the_token_and_what_it_says_is_kept_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    code = READ + "import os; sys.stderr.write('x' * 9000 + str('BACKEND_AUTH_TOKEN' in os.environ))"
    environ = {**os.environ, "BACKEND_AUTH_TOKEN": "a-secret-token"}
    with pytest.raises(SandboxDied):
        asyncio.run(render_in_child(jpeg(1), DEVICES, "odd.jpg", python(code), environ=environ))
    assert "xFalse" in caplog.text
    assert len(caplog.text) < 6000


def test_a_child_that_wants_too_much_memory_is_stopped_by_the_system() -> None:
    """The real child, told to hold less than it needs, once past its own estimate."""
    code = (
        "import sys, msgspec, processor.pool.sandbox as s\n"
        "request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=s.SandboxRequest)\n"
        "s._limit(request.cpu_seconds, request.memory_bytes)\n"
        "hog = bytearray(2 * request.memory_bytes)\n"
    )
    with pytest.raises(SandboxDied, match="exit code 1"):
        render(jpeg(1), python(code))


def test_a_picture_beyond_the_childs_memory_is_refused_in_words() -> None:
    request = SandboxRequest(name="odd.jpg", devices=DEVICES, data=jpeg(1), cpu_seconds=9, memory_bytes=1, parent_pid=1)
    refusal = answer_to(request).refusal
    assert refusal is not None
    assert refusal.kind == TooMuchMemory.__name__


def test_a_suspect_that_behaves_is_complete(world: World) -> None:
    suspect = world.add(jpeg(3), "suspect.jpg", suspect=True)
    others = world.add_photos(2)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 3}
    assert suspect.rows["tall"].recipe == recipe(60, 100)
    assert all(other.state == "complete" for other in others)


def test_a_suspect_that_kills_its_process_gets_a_strike_and_the_task_goes_on(world: World) -> None:
    suspect = world.add(jpeg(4), "killer.jpg", suspect=True)
    others = world.add_photos(3)
    code, task = world.run(child=python(READ + "import os; os.abort()"))
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 3, Outcome.FAILED: 1}
    assert (suspect.state, suspect.strikes, suspect.attempts) == ("failed", 1, 1)
    assert suspect.error == f"Rendering killer.jpg ended its own process (signal {signal.SIGABRT.name})."
    assert all(other.state == "complete" for other in others)


def test_a_bad_photo_that_is_suspect_fails_without_a_strike(world: World) -> None:
    suspect = world.add(b"text and no picture whatsoever", "text.jpg", suspect=True)
    assert world.run()[0] == 0
    assert (suspect.state, suspect.strikes) == ("failed", 0)
    assert suspect.error.startswith("text.jpg")
