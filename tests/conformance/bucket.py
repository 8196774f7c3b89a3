"""The test suite that every implementation of `Bucket` passes.

The test module of an implementation subclasses `BucketPromises`, names the class `Test...`, and defines a fixture
`bucket` that is empty at first. `reopen` returns a second handle on the same bucket.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice

import pytest

from contract.bucket.port import (
    NO_OBJECT,
    PIECE_BYTES,
    Bucket,
    BucketDenied,
    BucketError,
    BucketUnavailable,
    ObjectChanged,
    ObjectConflict,
    ObjectNotFound,
    ObjectTooLarge,
    name_in,
    uri_of,
)

TYPE = "application/octet-stream"

UNSAFE_NAMES = [
    "",
    "/",
    "/etc/passwd",
    "..",
    ".",
    "../outside",
    "a/../../outside",
    "a/./b",
    "a//b",
    "a/",
    "a\\b",
    "a\x00b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "a\udcffb",
    "x" * 1025,
    "ü" * 513,
]


def names_of(listing: Iterator[object]) -> list[str]:
    """Return the names of a listing, in its order."""
    return [entry.name for entry in listing]  # type: ignore[attr-defined]


class Pieces:
    """Collects the pieces of a download; raises `error` after the first."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[bytes] = []
        self._error = error

    def write(self, data: bytes) -> None:
        self.seen.append(data)
        if self._error is not None:
            raise self._error


class BucketPromises:
    """Tests of each method of `contract.bucket.port.Bucket`."""

    def reopen(self, bucket: Bucket) -> Bucket:
        """Return another handle on the same bucket, as another process opens it."""
        raise NotImplementedError

    def test_create_with_the_same_bytes_writes_once(self, bucket: Bucket) -> None:
        assert bucket.create("a/b.bin", b"one", TYPE) is True
        assert bucket.create("a/b.bin", b"one", TYPE) is False
        assert bucket.read("a/b.bin") == b"one"

    def test_create_with_other_bytes_raises_object_conflict(self, bucket: Bucket) -> None:
        bucket.create("a/b.bin", b"one", TYPE)
        with pytest.raises(ObjectConflict, match=r"a/b\.bin") as caught:
            bucket.create("a/b.bin", b"two", TYPE)
        assert caught.value.name == "a/b.bin"
        assert not caught.value.temporary
        assert bucket.read("a/b.bin") == b"one"

    def test_concurrent_creates_write_exactly_once(self, bucket: Bucket) -> None:
        outcomes: list[object] = []
        start = threading.Barrier(8)

        def contend(number: int) -> None:
            start.wait(timeout=10)
            try:
                outcomes.append(bucket.create("race", b"%d" % (number % 2), TYPE))
            except ObjectConflict:
                outcomes.append("conflict")

        threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert outcomes.count(True) == 1
        assert outcomes.count(False) == 3
        assert outcomes.count("conflict") == 4

    @pytest.mark.parametrize("data", [b"", b"\0" * 70_000, bytes(range(256))])
    def test_read_returns_the_written_bytes(self, bucket: Bucket, data: bytes) -> None:
        bucket.replace("x", data, TYPE)
        assert bucket.read("x") == data
        assert self.reopen(bucket).read("x") == data
        assert bucket.stat("x").size == len(data)

    def test_read_beyond_its_limit_raises_object_too_large(self, bucket: Bucket) -> None:
        bucket.replace("x", b"12345", TYPE)
        assert bucket.read("x", 5) == b"12345"
        assert bucket.read("x", 6) == b"12345"
        with pytest.raises(ObjectTooLarge, match="4 bytes") as caught:
            bucket.read("x", 4)
        assert not caught.value.temporary
        with pytest.raises(ObjectTooLarge):
            bucket.read("x", 0)

    @pytest.mark.parametrize("size", [0, 5, PIECE_BYTES, 3 * PIECE_BYTES + 1])
    def test_download_writes_bounded_pieces_in_order(self, bucket: Bucket, size: int) -> None:
        data = bytes(number * 7 % 251 for number in range(size))
        bucket.replace("x", data, TYPE)
        pieces = Pieces()
        bucket.download_to("x", pieces, size)
        assert b"".join(pieces.seen) == data
        assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces.seen)

    def test_rejected_download_writes_no_piece(self, bucket: Bucket) -> None:
        bucket.replace("folder/x", b"12345", TYPE)
        pieces = Pieces()
        with pytest.raises(ObjectTooLarge):
            bucket.download_to("folder/x", pieces, 4)
        for name in ("missing", "folder"):
            with pytest.raises(ObjectNotFound):
                bucket.download_to(name, pieces)
        assert pieces.seen == []

    @pytest.mark.parametrize("error", [OSError("full"), KeyError("stop"), BrokenPipeError("no reader")])
    def test_download_raises_the_error_of_its_writer(self, bucket: Bucket, error: Exception) -> None:
        bucket.replace("x", bytes(3 * PIECE_BYTES), TYPE)
        pieces = Pieces(error)
        with pytest.raises(type(error)) as caught:
            bucket.download_to("x", pieces)
        assert caught.value is error
        assert len(pieces.seen) == 1

    def test_expire_keeps_young_objects(self, bucket: Bucket) -> None:
        for name in ("old/x", "old/y/z", "other"):
            bucket.replace(name, b"x", TYPE)
        bucket.expire("old/", 30)
        assert bucket.expire("old/", 30) is False
        assert names_of(bucket.list("", recursive=True)) == ["old/x", "old/y/z", "other"]

    def test_write_if_overwrites_a_generation_once(self, bucket: Bucket) -> None:
        first = bucket.write_if("a/x", b"one", TYPE, NO_OBJECT)
        assert bucket.read_with_generation("a/x") == (b"one", first)
        assert bucket.stat("a/x").generation == first
        assert next(iter(bucket.list("a/"))).generation == first
        second = self.reopen(bucket).write_if("a/x", b"two", TYPE, first)
        assert len({NO_OBJECT, first, second}) == 3
        for stale in (NO_OBJECT, first):
            with pytest.raises(ObjectChanged, match="a/x"):
                bucket.write_if("a/x", b"three", TYPE, stale)
        assert bucket.read_with_generation("a/x", 3) == (b"two", second)
        with pytest.raises(ObjectTooLarge):
            bucket.read_with_generation("a/x", 2)
        bucket.replace("a/x", b"two", TYPE)  # the same bytes make a new generation
        with pytest.raises(ObjectChanged):
            bucket.write_if("a/x", b"three", TYPE, second)
        bucket.delete("a/x")
        with pytest.raises(ObjectNotFound):
            bucket.read_with_generation("a/x")
        with pytest.raises(ObjectChanged):
            bucket.write_if("a/x", b"three", TYPE, second)
        bucket.write_if("a/x", b"three", TYPE, NO_OBJECT)

    @pytest.mark.parametrize("size", [0, 1, 256 * 1024, 4 * 1024 * 1024, 9_000_001])
    def test_write_stream_if_stores_what_the_source_returns(self, bucket: Bucket, size: int) -> None:
        data = random.Random(size).randbytes(size)
        written = bucket.write_stream_if("a/x", BytesIO(data), TYPE, NO_OBJECT)
        assert written != NO_OBJECT
        assert self.reopen(bucket).read("a/x") == data

    def test_write_stream_if_overwrites_a_generation_once(self, bucket: Bucket) -> None:
        first = bucket.write_stream_if("a/x", BytesIO(b"one"), TYPE, NO_OBJECT)
        second = self.reopen(bucket).write_stream_if("a/x", BytesIO(b"two"), TYPE, first)
        for stale in (first, NO_OBJECT):
            with pytest.raises(ObjectChanged):
                bucket.write_stream_if("a/x", BytesIO(b"three"), TYPE, stale)
        assert bucket.read_with_generation("a/x") == (b"two", second)

    def test_write_stream_if_writes_nothing_if_the_source_fails(self, bucket: Bucket) -> None:
        class Failing:
            def __init__(self) -> None:
                self._reads = 0

            def read(self, size: int) -> bytes:
                self._reads += 1
                if self._reads > 2:
                    raise ZeroDivisionError
                return bytes(size)

        with pytest.raises(ZeroDivisionError):
            bucket.write_stream_if("a/x", Failing(), TYPE, NO_OBJECT)
        with pytest.raises(ObjectNotFound):
            bucket.stat("a/x")

    def test_write_if_with_concurrent_writers_loses_no_update(self, bucket: Bucket) -> None:
        bucket.replace("count", b"0", TYPE)
        handles = [self.reopen(bucket) for _ in range(4)]

        def add(handle: Bucket) -> None:
            for _ in range(10):
                for _ in range(1000):
                    data, generation = handle.read_with_generation("count")
                    try:
                        handle.write_if("count", b"%d" % (int(data) + 1), TYPE, generation)
                        break
                    except ObjectChanged:
                        continue

        threads = [threading.Thread(target=add, args=(handle,)) for handle in handles]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert bucket.read("count") == b"40"

    def test_missing_object_raises_object_not_found(self, bucket: Bucket) -> None:
        bucket.replace("folder/leaf", b"x", TYPE)
        for name in ("missing", "folder", "folder/leaf/deeper", "folder/other"):
            with pytest.raises(ObjectNotFound):
                bucket.read(name)
            with pytest.raises(ObjectNotFound):
                bucket.read(name, 10)
            with pytest.raises(ObjectNotFound):
                bucket.stat(name)
            with pytest.raises(ObjectNotFound):
                bucket.move(name, "elsewhere")
        assert names_of(bucket.list("", recursive=True)) == ["folder/leaf"]

    def test_read_during_a_replace_returns_whole_objects(self, bucket: Bucket) -> None:
        contents = [bytes([letter]) * (20_000 + 17 * letter) for letter in range(1, 9)]
        bucket.replace("x", contents[0], TYPE)
        done = threading.Event()
        torn: list[int] = []
        reads = [0]

        def watch() -> None:
            while not done.is_set():
                data = bucket.read("x")
                reads[0] += 1
                if data not in contents:
                    torn.append(len(data))

        readers = [threading.Thread(target=watch) for _ in range(3)]
        for reader in readers:
            reader.start()
        for turn in range(60):
            bucket.replace("x", contents[turn % len(contents)], TYPE)
        done.set()
        for reader in readers:
            reader.join(timeout=20)
        assert reads[0] > 10
        assert torn == []

    def test_stat_returns_the_time_of_the_last_write(self, bucket: Bucket) -> None:
        before = time.time() - 5
        bucket.replace("x", b"one", TYPE)
        info = bucket.stat("x")
        assert info.name == "x"
        assert before <= info.updated <= time.time() + 5
        assert list(bucket.list("x")) == [info]

    def test_list_is_in_name_order_and_respects_folders(self, bucket: Bucket) -> None:
        # '-' and '.' sort before '/', and '0' after it: a folder must not be sorted by its name without the slash.
        everything = ["a", "b-", "b-/x", "b.", "b/c", "b/d/e", "b0", "ü/ä"]
        for name in reversed(everything):
            if name != "b-":
                bucket.replace(name, name.encode(), TYPE)
        stored = [name for name in everything if name != "b-"]
        assert names_of(bucket.list("", recursive=True)) == stored
        assert names_of(bucket.list("")) == ["a", "b.", "b0"]
        assert names_of(bucket.list("b", recursive=True)) == ["b-/x", "b.", "b/c", "b/d/e", "b0"]
        assert names_of(bucket.list("b")) == ["b.", "b0"]
        assert names_of(bucket.list("b/")) == ["b/c"]
        assert names_of(bucket.list("b/", recursive=True)) == ["b/c", "b/d/e"]
        assert names_of(bucket.list("b/d", recursive=True)) == ["b/d/e"]
        assert names_of(bucket.list("b/d")) == []
        assert names_of(bucket.list("b/d/e")) == ["b/d/e"]
        assert names_of(bucket.list("nothing/here/")) == []
        assert names_of(bucket.list("a/", recursive=True)) == []

    def test_list_read_in_pages_while_objects_move_misses_none(self, bucket: Bucket) -> None:
        wanted = [f"page/{number:04}" for number in range(100)]
        for name in wanted:
            bucket.replace(name, b"x", TYPE)
        listing = bucket.list("page/")
        seen: list[str] = []
        while page := list(islice(listing, 30)):
            seen += [entry.name for entry in page]
            for entry in page:
                bucket.move(entry.name, f"done/{entry.name}")
        assert seen == wanted
        assert names_of(bucket.list("page/")) == []

    def test_move_repeated_renames_once(self, bucket: Bucket) -> None:
        bucket.replace("from/x", b"new", TYPE)
        bucket.replace("to/deep/x", b"old", TYPE)
        bucket.move("from/x", "to/deep/x")
        bucket.move("from/x", "to/deep/x")
        assert bucket.read("to/deep/x") == b"new"
        with pytest.raises(ObjectNotFound):
            bucket.read("from/x")

    def test_move_onto_itself_keeps_the_object(self, bucket: Bucket) -> None:
        bucket.replace("x", b"same", TYPE)
        bucket.move("x", "x")
        assert bucket.read("x") == b"same"

    def test_move_of_a_missing_object_raises_object_not_found(self, bucket: Bucket) -> None:
        with pytest.raises(ObjectNotFound) as caught:
            bucket.move("from/x", "to/x")
        assert caught.value.name == "from/x"

    def test_delete_repeated_removes_only_its_object(self, bucket: Bucket) -> None:
        bucket.replace("a/x", b"x", TYPE)
        bucket.replace("a/y", b"y", TYPE)
        bucket.delete("a/x")
        bucket.delete("a/x")
        bucket.delete("a/x/deeper")
        bucket.delete("never/was")
        bucket.delete("a")  # no object has this name, although other names begin with it
        assert names_of(bucket.list("", recursive=True)) == ["a/y"]

    @pytest.mark.parametrize("name", UNSAFE_NAMES)
    def test_unsafe_name_raises_value_error(self, bucket: Bucket, name: str) -> None:
        bucket.replace("good", b"x", TYPE)
        calls: list[Callable[[], object]] = [
            lambda: bucket.read(name),
            lambda: bucket.create(name, b"x", TYPE),
            lambda: bucket.replace(name, b"x", TYPE),
            lambda: bucket.read_with_generation(name),
            lambda: bucket.download_to(name, Pieces()),
            lambda: bucket.write_if(name, b"x", TYPE, NO_OBJECT),
            lambda: bucket.stat(name),
            lambda: bucket.move(name, "target"),
            lambda: bucket.move("good", name),
            lambda: bucket.delete(name),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="object name"):
                call()
        assert names_of(bucket.list("", recursive=True)) == ["good"]

    @pytest.mark.parametrize("prefix", ["../", "/etc/", "a/../../", "a//"])
    def test_list_with_an_unsafe_prefix_raises_value_error(self, bucket: Bucket, prefix: str) -> None:
        with pytest.raises(ValueError, match="object name"):
            list(bucket.list(prefix, recursive=True))

    def test_name_with_percent_signs_is_not_decoded(self, bucket: Bucket) -> None:
        name = "processed/100%25%20%2F..%2F/x%41.jpg"
        bucket.create(name, b"x", TYPE)
        assert names_of(bucket.list("processed/", recursive=True)) == [name]
        assert name_in(bucket, uri_of(bucket, name)) == name

    def test_probe_of_a_reachable_bucket_returns(self, bucket: Bucket) -> None:
        bucket.probe()

    def test_name_in_reverses_uri_of_and_rejects_foreign_uris(self, bucket: Bucket) -> None:
        assert not bucket.url.endswith("/")
        assert name_in(bucket, "a/b") == "a/b"
        assert name_in(bucket, uri_of(bucket, "a/b")) == "a/b"
        for foreign in (bucket.url + "-other/a", bucket.url, bucket.url + "/", bucket.url + "/../x", "gs://foreign/x"):
            with pytest.raises(ValueError, match=r"object name|is not in the bucket"):
                name_in(bucket, foreign)


def test_bucket_errors_only_unavailable_is_temporary() -> None:
    kinds = {
        ObjectNotFound("n"): False,
        ObjectConflict("n"): False,
        ObjectChanged("n"): False,
        ObjectTooLarge("n", 1): False,
        BucketDenied("n", "m"): False,
        BucketUnavailable("n", "m"): True,
        BucketError("n", "m"): False,
    }
    assert {type(error): error.temporary for error in kinds} == {type(e): t for e, t in kinds.items()}
    assert all(str(error).startswith("n: ") for error in kinds)
    assert str(BucketUnavailable("", "gone")) == "gone"
