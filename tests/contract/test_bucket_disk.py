"""Disk bucket: the conformance suite of buckets, and the tests that need a folder."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import object_names
from contract.bucket.disk import DiskBucket, _bucket_error
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket, BucketDenied, BucketError, BucketUnavailable, ObjectConflict
from tests.conformance.bucket import TYPE, BucketPromises, names_of, test_bucket_errors_only_unavailable_is_temporary

__all__ = ["test_bucket_errors_only_unavailable_is_temporary"]


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return open_bucket((tmp_path / "a bucket %41").as_uri())


class TestDisk(BucketPromises):
    def reopen(self, bucket: Bucket) -> Bucket:
        return open_bucket(bucket.url)


def test_open_bucket_with_an_invalid_url_raises_value_error() -> None:
    for url in ("gs:/typo", "http://host/x", "/plain/path", "file://host/x", ""):
        with pytest.raises(ValueError, match="not a bucket"):
            open_bucket(url)


def test_disk_bucket_writes_below_the_folder_of_its_url(tmp_path: Path) -> None:
    bucket = open_bucket((tmp_path / "with space #1").as_uri() + "/")
    bucket.replace("x", b"1", TYPE)
    assert (tmp_path / "with space #1" / "x").read_bytes() == b"1"


_PART = st.text(alphabet="ab.-0 %ü", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))
_FOLDER_PART = _PART.map(lambda part: part + "d")  # no file has a folder's name: a folder cannot hold both
_FILE_PART = _PART.map(lambda part: part + "f")
_NAME = st.builds(lambda folders, file: "/".join([*folders, file]), st.lists(_FOLDER_PART, max_size=2), _FILE_PART)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("create"), _NAME, st.binary(max_size=2)),
            st.tuples(st.just("replace"), _NAME, st.binary(max_size=2)),
            st.tuples(st.just("delete"), _NAME),
            st.tuples(st.just("move"), _NAME, _NAME),
        ),
        max_size=12,
    ),
    cut=st.integers(0, 8),
    recursive=st.booleans(),
)
def test_disk_bucket_behaves_like_a_dictionary(steps: list[tuple[Any, ...]], cut: int, recursive: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bucket = DiskBucket(Path(folder).as_uri())
        model: dict[str, bytes] = {}
        for step in steps:
            match step:
                case ("create", name, data):
                    if name in model and model[name] != data:
                        with pytest.raises(ObjectConflict):
                            bucket.create(name, data, TYPE)
                    else:
                        assert bucket.create(name, data, TYPE) == (name not in model)
                        model[name] = data
                case ("replace", name, data):
                    bucket.replace(name, data, TYPE)
                    model[name] = data
                case ("delete", name):
                    bucket.delete(name)
                    model.pop(name, None)
                case ("move", source, target):
                    if source in model:
                        bucket.move(source, target)
                        model[target] = model.pop(source)
                    elif target not in model:
                        with pytest.raises(BucketError):
                            bucket.move(source, target)
        assert {name: bucket.read(name) for name in model} == model
        for name in ["", *model]:
            prefix = name[:cut]
            if "//" in prefix or prefix.startswith("/"):
                continue
            expected = [n for n in sorted(model) if n.startswith(prefix) and (recursive or "/" not in n[len(prefix) :])]
            assert names_of(bucket.list(prefix, recursive=recursive)) == expected


def test_opening_removes_old_temporary_files_only(tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    open_bucket(url)
    old, young = tmp_path / ".incoming" / "old", tmp_path / ".incoming" / "young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")  # another process may be writing it at this moment
    os.utime(old, (time.time() - 3700, time.time() - 3700))
    bucket = open_bucket(url)
    assert not old.exists()
    assert young.exists()
    assert names_of(bucket.list("", recursive=True)) == []


def test_names_below_incoming_are_rejected(tmp_path: Path) -> None:
    bucket = open_bucket(tmp_path.as_uri())
    with pytest.raises(ValueError, match="reserved"):
        bucket.replace(".incoming/x", b"x", TYPE)
    with pytest.raises(ValueError, match="reserved"):
        bucket.list(".incoming/")


def test_writes_leave_no_temporary_files(tmp_path: Path) -> None:
    bucket = open_bucket(tmp_path.as_uri())
    bucket.create("x", b"1", TYPE)
    bucket.create("x", b"1", TYPE)
    with pytest.raises(ObjectConflict):
        bucket.create("x", b"2", TYPE)
    bucket.replace("x", b"3", TYPE)
    bucket.replace("folder/x", b"3", TYPE)
    for name in ("folder", "x/below"):
        with pytest.raises(BucketError) as caught:
            bucket.replace(name, b"4", TYPE)
        assert not caught.value.temporary, "an impossible name is a permanent error"
        with pytest.raises(BucketError) as caught:
            bucket.create(name, b"4", TYPE)
        assert not caught.value.temporary
    assert list((tmp_path / ".incoming").iterdir()) == []


_WRITE_FOR_EVER = """
import os, sys
from contract.bucket.open import open_bucket
bucket = open_bucket(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    letter = bytes([65 + number % 26])
    bucket.replace("replaced", letter * 300_000, "x")
    bucket.create(f"created/{number}", letter * 300_000, "x")
"""


@pytest.mark.server
def test_a_killed_writer_leaves_whole_objects_or_none(tmp_path: Path) -> None:
    bucket = open_bucket(tmp_path.as_uri())
    for turn in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITE_FOR_EVER, f"{bucket.url}/{turn}"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.15 + 0.013 * turn)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait(timeout=10)
            writer.stdout.close()  # type: ignore[union-attr]
        written = open_bucket(f"{bucket.url}/{turn}")
        names = names_of(written.list("", recursive=True))
        assert "replaced" in names
        assert len(names) > 1
        for name in names:
            data = written.read(name)
            assert len(data) == 300_000, name
            assert len(set(data)) == 1, name


@contextlib.contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """Deny this process access to `folder` within the block, also if the tests run as root."""
    mode = folder.stat().st_mode
    folder.chmod(0o700 if os.geteuid() == 0 else 0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(mode)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_missing_permission_raises_bucket_denied(tmp_path: Path) -> None:
    bucket = open_bucket((tmp_path / "b").as_uri())
    bucket.replace("folder/x", b"x", TYPE)
    with forbidden(tmp_path / "b"):
        for call in (
            lambda: bucket.read("folder/x"),
            lambda: bucket.create("folder/y", b"y", TYPE),
            lambda: bucket.replace("folder/x", b"y", TYPE),
            lambda: bucket.stat("folder/x"),
            lambda: list(bucket.list("folder/")),
            lambda: bucket.move("folder/x", "folder/y"),
            lambda: bucket.delete("folder/x"),
            lambda: open_bucket(bucket.url),
        ):
            with pytest.raises(BucketDenied, match="Permission denied"):
                call()
        with pytest.raises(BucketError):
            bucket.probe()
    assert bucket.read("folder/x") == b"x"


def test_probe_of_a_removed_bucket_raises_bucket_unavailable(tmp_path: Path) -> None:
    bucket = open_bucket((tmp_path / "b").as_uri())
    (tmp_path / "b" / ".incoming").rmdir()
    with pytest.raises(BucketUnavailable, match="missing or not writable"):
        bucket.probe()


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_system_error_is_converted(number: int) -> None:
    error = _bucket_error("a/b", OSError(number, os.strerror(number), "/folder/a/b"))
    assert isinstance(error, BucketError)
    assert error.name == "a/b"
    assert os.strerror(number) in str(error)
    assert "/folder/a/b" in str(error)
    permanent = {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
    }
    assert error.temporary == (number not in permanent)


def test_system_error_without_a_number_keeps_its_message() -> None:
    error = _bucket_error("", OSError("odd"))
    assert isinstance(error, BucketUnavailable)
    assert "odd" in str(error)


@pytest.mark.parametrize("key", ["Küche", "living room", "50%", "a:b?*", "日本", ".hidden", "...", "ü" * 40])
def test_device_keys_make_valid_folder_names(tmp_path: Path, key: str) -> None:
    bucket = open_bucket(tmp_path.as_uri())
    name = object_names.variant(key, "0" * 32, "0" * 10)
    assert bucket.create(name, b"x", TYPE)
    assert names_of(bucket.list(object_names.device_folder(key))) == [name]
    assert object_names.device_of_variant(name) == (key, "0" * 32)


def test_name_too_long_for_the_disk_is_a_permanent_error(tmp_path: Path) -> None:
    bucket = open_bucket(tmp_path.as_uri())
    with pytest.raises(BucketError, match="too long") as caught:
        bucket.create("x" * 300, b"x", TYPE)
    assert not caught.value.temporary


def test_listing_skips_files_with_invalid_names(tmp_path: Path) -> None:
    bucket = open_bucket(tmp_path.as_uri())
    bucket.replace("folder/x", b"x", TYPE)
    (tmp_path / "folder" / "a\nb").write_bytes(b"no object name")
    assert names_of(bucket.list("folder/")) == ["folder/x"]
