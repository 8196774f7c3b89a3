"""A picture that kills its process fails after its attempts, and the others come out as if it were not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import server, small_photos

pytestmark = pytest.mark.server

MAX_ATTEMPTS = 20
LEASE_SECONDS = "3"
ROOT = Path(__file__).resolve().parents[2]


def killer(number: int, kind: str) -> bytes:
    """A good JPEG with a comment that the decoder under test dies of."""
    comment = kind.encode()
    photo = small_photos.photo(number)
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


def run_tasks(backend: server.BackendServer) -> list[int]:
    """One task after the other, as a platform starts a failed one again; their exit codes."""
    codes = []
    for attempt in range(MAX_ATTEMPTS):
        process = subprocess.run(
            [sys.executable, str(ROOT / "tests/hostile/breaking_task.py")],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "BUCKET_URL": backend.bucket.as_uri(),
                "BACKEND_API_URL": backend.url,
                "BACKEND_AUTH_TOKEN": backend.secrets["processor_token"],
                "CLOUD_RUN_EXECUTION": "killed",
                "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
                "RENDER_THREADS": "2",
                "SLIDESHOW_LOCAL_TASK": "1",
            },
            stderr=subprocess.PIPE,
            timeout=240,
            check=False,
        )
        codes.append(process.returncode)
        left = "SELECT count(*) FROM images WHERE processing_status IN ('pending', 'processing')"
        if process.returncode == 0 and backend.sql(left) == [(0,)]:
            return codes
    raise AssertionError(f"not done after {codes}: {process.stderr.decode()[-3000:]}")


@pytest.mark.parametrize(
    ("kinds", "others"),
    [
        (("ABORT",), 4),
        pytest.param(("ABORT", "LOOP", "EAT"), 50, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_who_kills_the_process_fails_and_the_others_are_complete(
    tmp_path: Path, kinds: tuple[str, ...], others: int
) -> None:
    with server.running(tmp_path / "data", LEASE_SECONDS=LEASE_SECONDS) as backend:
        backend.add_device("frame")
        good = backend.upload_photos(others // 2)
        bad = {backend.upload(killer(900 + place, kind), f"{kind}.jpg")["id"]: kind for place, kind in enumerate(kinds)}
        good += backend.upload_photos(others - others // 2, first=500)
        codes = run_tasks(backend)
        states = dict(backend.sql("SELECT id, processing_status FROM images"))
        assert {states[image] for image in good} == {"complete"}
        assert {states[image] for image in bad} == {"failed"}
        # Each takes a task down once at most: several that were under way together are suspects together.
        assert 1 <= sum(code != 0 for code in codes) <= len(kinds), codes
        assert codes[-1] == 0
        told = {row[0]: row[1:] for row in backend.sql("SELECT id, strikes, processing_error, attempts FROM images")}
        for image, kind in bad.items():
            strikes, error, attempts = told[image]
            assert (strikes, attempts) == (3, 4), "one that took the task down, three alone"
            assert f"{kind}.jpg" in error
        assert {told[image][0] for image in good} == {0}
        assert backend.sql("SELECT count(*) FROM processed_images") == [(others,)]
