"""A picture that kills its process fails after its attempts, and all other pictures are not affected."""

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
    """Return a good JPEG with a comment that crashes the decoder under test."""
    comment = kind.encode()
    photo = small_photos.photo(number)
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


def run_tasks(backend: server.BackendServer) -> list[int]:
    """Run one task after the other, like a platform that retries a failed task. Return their exit codes."""
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
def test_pictures_that_crash_the_decoder_fail_and_others_complete(
    tmp_path: Path, kinds: tuple[str, ...], others: int
) -> None:
    with server.running(tmp_path / "data", LEASE_SECONDS=LEASE_SECONDS) as backend:
        backend.add_device("frame")
        good = backend.upload_photos(others // 2)
        bad = {backend.upload(killer(900 + index, kind), f"{kind}.jpg")["id"]: kind for index, kind in enumerate(kinds)}
        good += backend.upload_photos(others - others // 2, first=500)
        codes = run_tasks(backend)
        states = dict(backend.sql("SELECT id, processing_status FROM images"))
        assert {states[image] for image in good} == {"complete"}
        assert {states[image] for image in bad} == {"failed"}
        # Each crashes at most one task: images that were in progress together are quarantined together.
        assert 1 <= sum(code != 0 for code in codes) <= len(kinds), codes
        assert codes[-1] == 0
        rows = {row[0]: row[1:] for row in backend.sql("SELECT id, strikes, processing_error, attempts FROM images")}
        for image, kind in bad.items():
            strikes, error, attempts = rows[image]
            assert (strikes, attempts) == (3, 4), "one attempt that crashed the task, three in the sandbox"
            assert f"{kind}.jpg" in error
        assert {rows[image][0] for image in good} == {0}
        assert backend.sql("SELECT count(*) FROM processed_images") == [(others,)]
