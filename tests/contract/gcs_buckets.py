"""Buckets of Google Cloud Storage for tests: Google's client against servers on 127.0.0.1."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from contract.bucket.gcs.bucket import GcsBucket
from contract.bucket.gcs.client import TimeoutPolicy

HASTY = TimeoutPolicy(connect=2.0, read=0.5, retries=10.0, first_pause=0.01, longest_pause=0.05)
"""Waits as short as a loopback allows."""

_numbers = itertools.count()


def new_name() -> str:
    """A bucket's name that no other test has."""
    return f"photos-{next(_numbers)}"


def bucket_at(address: str, name: str, patience: TimeoutPolicy = HASTY, connections: int = 8) -> GcsBucket:
    """The bucket `name` of the server at `address`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", address)
        return GcsBucket(f"gs://{name}", connections=connections, patience=patience)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """gcp-storage-emulator in a process of its own; its address."""
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
                assert process.poll() is None, "the emulator ended"
                assert time.monotonic() < deadline, "the emulator does not answer"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(timeout=10)
