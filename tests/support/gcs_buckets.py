"""Buckets of Google Cloud Storage for tests: Google's client against servers on 127.0.0.1.

Two servers are used. `emulators.cloud_storage` is ours: strict, and able to inject faults.
gcp-storage-emulator is an independent project that serves as a referee.
A misunderstanding of the JSON API that our client code and our emulator share would show there.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from contract.bucket.gcs.bucket import GcsBucket
from contract.bucket.gcs.client import TimeoutPolicy
from contract.machine import free_port

HASTY = TimeoutPolicy(connect=2.0, read=0.5, retries=10.0, min_pause=0.01, max_pause=0.05)
"""Time limits that suit a loopback connection."""

_numbers = itertools.count()


def new_name() -> str:
    """Return a bucket name that no other test uses."""
    return f"photos-{next(_numbers)}"


def bucket_at(address: str, name: str, timeouts: TimeoutPolicy = HASTY, connections: int = 8) -> GcsBucket:
    """Open the bucket `name` of the server at `address`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", address)
        return GcsBucket(f"gs://{name}", connections=connections, timeouts=timeouts)


@contextlib.contextmanager
def referee() -> Iterator[str]:
    """Run gcp-storage-emulator, the independent referee, in a process of its own; yield its URL."""
    port = free_port()
    command = ["-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}", "--quiet", "--in-memory"]
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, "HOST": "127.0.0.1"})
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    break
            except OSError:
                assert process.poll() is None, "gcp-storage-emulator ended"
                assert time.monotonic() < deadline, "gcp-storage-emulator does not answer"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(timeout=10)
