"""Atomic writes: all or nothing, with the mode that was asked for."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.files import write_atomically


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_write_atomically_replaces_content_and_leaves_nothing_else(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file.json"
    before = os.umask(0o022)
    try:
        for content in (b"first", b"second, longer", b""):
            write_atomically(file, content, mode=mode)
            assert file.read_bytes() == content
            assert stat.S_IMODE(file.stat().st_mode) == mode
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == [file]


def test_write_atomically_without_overwrite_keeps_the_first_of_concurrent_writers(tmp_path: Path) -> None:
    file = tmp_path / "secret"

    def write_and_read(number: int) -> bytes:
        write_atomically(file, b"%d" % number, overwrite=False)
        return file.read_bytes()

    with ThreadPoolExecutor(8) as threads:
        read = set(threads.map(write_and_read, range(32)))
    assert len(read) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_write_atomically_that_fails_keeps_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_atomically(file, b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
