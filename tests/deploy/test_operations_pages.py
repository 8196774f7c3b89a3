"""The commands of the pages on operations: each group has a mark, and those that are marked as tried are run here.

The backend runs in its cloud mode, against local emulators of Cloud Storage and Cloud Run. Commands run as they stand
on the page, in a folder with a photo and the password file.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from contract.machine import free_port
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import running_jobs_server
from emulators.cloud_storage.server import GcsServer
from tests.support.server import environment
from tests.support.small_photos import photo

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "docs/operations.md", *sorted((ROOT / "docs/operations").glob("*.md")), ROOT / "docs/migration.md")
ORDER = ("monitor.md", "troubleshooting.md")
"""Pages with tried commands, in an order in which the files that they need exist."""
MARKS = ("Tried:", "Tried in another form:", "Dry run tried:", "Not tried:")
JOB = "projects/my-photos-1/locations/us-central1/jobs/slideshow-processor"
PASSWORD = "password-of-the-pages"
START_SECONDS = 60.0


class Block(NamedTuple):
    """A group of commands: its page, its mark and its text."""

    page: str
    mark: str
    text: str


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        for match in re.finditer(r"^([^\n]*)\n\n```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            found.append(Block(page.name, match[1], match[2]))
    return found


def test_each_group_of_commands_has_a_mark() -> None:
    found = blocks()
    assert len(found) > 20
    assert len(found) == sum(page.read_text().count("```sh") for page in PAGES)
    assert [block for block in found if block.mark not in MARKS] == []
    assert {block.page for block in found if block.mark == "Tried:"} <= {*ORDER}
    # What needs Google Cloud can only be tried there.
    cloud = [block for block in found if re.search(r"^gcloud ", block.text, re.MULTILINE)]
    assert cloud
    assert [block for block in cloud if block.mark != "Not tried:"] == []
    dry = [block for block in found if block.mark == "Dry run tried:"]
    lines = [line for block in dry for line in block.text.splitlines()]
    assert [line for line in lines if not line.startswith(("deploy/deploy.sh ", "deploy/rollback.sh "))] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder that looks like a checkout to the commands."""
    made = tmp_path_factory.mktemp("checkout")
    (made / "photo.jpg").write_bytes(photo(1))
    (made / "password").write_text(PASSWORD)
    program = made / ".venv/bin/slideshow"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slideshow "$@"\n')
    program.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """Run a backend as on Cloud Run: cloud bucket, cloud job, no timers."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    definition = JobDefinition(command=["true"], environment={})
    with GcsServer("our-photos") as bucket, running_jobs_server(JOB, definition) as jobs:
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "K_SERVICE": "slideshow-backend",
            "GCS_BUCKET_NAME": "our-photos",
            "STORAGE_EMULATOR_HOST": bucket.url,
            "GCP_PROJECT_ID": "my-photos-1",
            "CLOUD_RUN_ENDPOINT": jobs.grpc_url,
            "BACKEND_API_URL": address,
            "PROCESSOR_AUTH_TOKEN": "token-of-the-pages-" + "0" * 32,
            "ADMIN_PASSWORD": PASSWORD,
            "TICK_SECONDS": "0",
        }
        log = folder / "backend.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend"],
                cwd=ROOT,
                env=environment(folder / "data", settings),
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready(address):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def ready(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/_ready", timeout=5, trust_env=False).status_code == 200
    return False


@pytest.mark.server
def test_tried_commands_succeed_as_they_stand(url: str, folder: Path) -> None:
    tried = sorted((block for block in blocks() if block.mark == "Tried:"), key=lambda block: ORDER.index(block.page))
    assert len(tried) > 5
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "URL": url,
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    outputs = ""
    for block in tried:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{block.text}\n{ended.stdout}\n{ended.stderr}"
        outputs += ended.stdout
    for expected in (
        '"status":"ok"',
        '"status":"ready"',
        '"status":"live"',
        '"success":true',
        "1 new",
        '"execution":',
        '"imported":',
        '"status":401',
        '"status":403',
    ):
        assert expected in outputs.replace(": ", ":"), f"{expected} is missing in\n{outputs}"
