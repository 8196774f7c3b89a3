"""Schemathesis with our own OpenAPI document: every generated request gets a response, and never a 5xx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import server

MAX_EXAMPLES = 30
"""For each operation, in addition to the systematic cases of its coverage phase."""


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("caller", ["processor", "admin", "anonymous"])
def test_generated_requests_never_cause_a_server_error(tmp_path: Path, caller: str) -> None:
    with server.running(tmp_path / "data") as backend:
        backend.add_device("frame")
        backend.upload_photos(2)
        backend.finish(backend.claim("setup/0", limit=1))
        token = str(backend.processor.headers["Authorization"])
        session = f"session_id={backend.admin.cookies['session_id']}"
        headers = {
            "processor": ["-H", f"Authorization: {token}", "-H", f"Cookie: {session}"],
            "admin": ["-H", f"Cookie: {session}"],
            "anonymous": [],
        }[caller]
        program = str(Path(sys.executable).with_name("schemathesis"))
        options = ["--checks", "not_a_server_error", "--max-examples", str(MAX_EXAMPLES), "--seed", "1"]
        # After a logout every further request would get 401.
        options += ["--exclude-path", "/logout", "--phases", "examples,coverage,fuzzing", "--request-timeout", "30"]
        ended = subprocess.run(
            [program, "run", f"{backend.url}/openapi.json", *options, *headers],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=1400,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
        assert "Coverage" in ended.stdout
        assert "Traceback" not in backend.log_text()
