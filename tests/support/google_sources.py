"""Files of Google's client library that only its source distribution contains, read from there and never copied here.

The locked version is downloaded by pip into the user's cache folder, and its hash is that of `requirements/dev.lock`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

LOCK = Path(__file__).parents[2] / "requirements" / "dev.lock"
DOWNLOAD_SECONDS = 240.0
UNREACHABLE = re.compile(
    r"connection|timed out|temporary failure|network|could not fetch url|no matching distribution", re.IGNORECASE
)


def locked(package: str) -> str:
    """Return the lines of the lock file for one package: its version and hashes."""
    match = re.search(rf"^{re.escape(package)}==[^\n]*(?:\n    [^\n]+)*", LOCK.read_text(), re.MULTILINE)
    assert match, f"{package} is not in {LOCK.name}"
    return match[0]


def source_distribution(package: str) -> Path:
    """Return the downloaded source distribution of a locked package. Skips the test without a package index."""
    requirement = locked(package)
    version = requirement.partition("==")[2].split()[0]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "photo-slideshow-tests"
    saved = cache / f"{package}-{version}.tar.gz"
    if saved.exists():
        return saved
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wanted = Path(folder, "requirement.txt")
        wanted.write_text(requirement + "\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--no-binary", package, "--dest", folder, "--requirement", str(wanted)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
        if ended.returncode and UNREACHABLE.search(ended.stderr) and "do not match the hashes" not in ended.stderr:
            pytest.skip(f"no package index has the source distribution of {package} {version}: {ended.stderr[-300:]}")
        assert ended.returncode == 0, ended.stderr
        (archive,) = Path(folder).glob("*.tar.gz")
        archive.replace(saved)
    return saved


def retry_scenarios() -> list[dict[str, Any]]:
    """Return the retry scenarios of Google's conformance tests for clients of Cloud Storage."""
    with tarfile.open(source_distribution("google-cloud-storage")) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/retry_strategy_test_data.json"))
        member = archive.extractfile(name)
        assert member is not None
        scenarios: list[dict[str, Any]] = json.load(member)["retryTests"]
        return scenarios
