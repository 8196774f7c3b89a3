"""Bucket in Google Cloud Storage when the network or the service fails."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator

import google_crc32c
import pytest

from contract.bucket.gcs.bucket import GcsBucket
from contract.bucket.gcs.client import TimeoutPolicy
from contract.bucket.port import BucketDenied, BucketError, BucketUnavailable, ObjectConflict
from emulators.cloud_storage.faults import Fault, Link
from emulators.cloud_storage.server import MIXED, GcsServer
from tests.conformance.bucket import TYPE, Pieces, names_of
from tests.support.gcs_buckets import HASTY, bucket_at, new_name

pytestmark = pytest.mark.server

DATA = os.urandom(700_000)
SHORT = TimeoutPolicy(connect=1.0, read=0.2, retries=0.4, min_pause=0.01, max_pause=0.02)


@pytest.fixture
def server() -> Iterator[GcsServer]:
    with GcsServer("photos") as running:
        yield running


@pytest.fixture
def bucket(server: GcsServer) -> GcsBucket:
    filled = bucket_at(server.url, "photos")
    filled.replace("x", DATA, TYPE)
    server.requests.clear()
    return filled


TRANSIENT = [
    Fault("status", status=503),
    Fault("status", status=429),
    Fault("status", status=500),
    Fault("reset"),
    Fault("lost answer"),
    Fault("stall", seconds=0.7),
]
READING = [
    *TRANSIENT,
    Fault("broken", after=0),
    Fault("broken", after=300_000),
    Fault("stall", seconds=0.7, after=9000),
]


@pytest.mark.parametrize("fault", [*READING, Fault("corrupt")], ids=repr)
def test_read_retries_a_transient_fault(server: GcsServer, bucket: GcsBucket, fault: Fault) -> None:
    server.faults.order("read", fault)
    assert bucket.read("x", len(DATA)) == DATA
    assert server.requests["read"] == 2


@pytest.mark.parametrize("fault", READING, ids=repr)
def test_streamed_download_retries_a_transient_fault(server: GcsServer, bucket: GcsBucket, fault: Fault) -> None:
    server.faults.order("read", fault)
    pieces = Pieces()
    bucket.download_to("x", pieces, len(DATA))
    assert b"".join(pieces.seen) == DATA
    assert server.requests["read"] == 2


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("corrupt")],
        [Fault("broken", after=300_000), Fault("corrupt")],  # the client itself does not verify this
        [Fault("broken", after=300_000), Fault("broken", after=10_000), Fault("corrupt")],
    ],
)
def test_damaged_streamed_download_raises_bucket_unavailable(
    server: GcsServer, bucket: GcsBucket, faults: list[Fault]
) -> None:
    server.faults.order("read", *faults)
    pieces = Pieces()
    with pytest.raises(BucketUnavailable, match="damaged"):
        bucket.download_to("x", pieces)
    arrived = b"".join(pieces.seen)
    assert len(arrived) == len(DATA)
    assert arrived != DATA
    second_pieces = Pieces()
    bucket.download_to("x", second_pieces)
    assert b"".join(second_pieces.seen) == DATA


def test_object_replaced_during_a_download_is_not_mixed(server: GcsServer, bucket: GcsBucket) -> None:
    newer = os.urandom(len(DATA))

    class Replacing(Pieces):
        def write(self, data: bytes) -> None:
            super().write(data)
            bucket.replace("x", newer, TYPE)

    server.link = Link(rate=4e6)  # all sent bytes arrive before the connection ends
    server.faults.order("read", Fault("broken", after=600_000))
    with pytest.raises(BucketUnavailable, match=r"replaced or removed|damaged"):
        bucket.download_to("x", Replacing())
    server.link = Link()
    pieces = Pieces()
    bucket.download_to("x", pieces)
    assert b"".join(pieces.seen) == newer


def test_read_gives_up_after_three_damaged_downloads(server: GcsServer, bucket: GcsBucket) -> None:
    server.faults.order("read", *[Fault("corrupt")] * 3)
    with pytest.raises(BucketUnavailable, match="x: the object arrived damaged 3 times"):
        bucket.read("x")
    assert bucket.read("x") == DATA


WRITES: dict[str, Callable[[GcsBucket], object]] = {
    "create": lambda bucket: bucket.create("new", DATA, TYPE),
    "replace": lambda bucket: bucket.replace("new", DATA, TYPE),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", TRANSIENT, ids=repr)
def test_write_retries_a_transient_fault(server: GcsServer, bucket: GcsBucket, write: str, fault: Fault) -> None:
    server.faults.order("write", fault)
    WRITES[write](bucket)
    assert bucket.read("new") == DATA
    assert bucket.create("new", DATA, TYPE) is False
    with pytest.raises(ObjectConflict):
        bucket.create("new", DATA[1:], TYPE)


def test_create_retries_when_the_name_becomes_free(server: GcsServer, bucket: GcsBucket) -> None:
    taken = Fault("status", status=412)
    server.faults.order("write", taken)
    assert bucket.create("new", DATA, TYPE) is True
    server.faults.order("write", taken, taken, taken)
    with pytest.raises(BucketUnavailable, match="created and removed by others during 3 attempts"):
        bucket.create("newer", DATA, TYPE)


def test_move_retries_when_the_source_is_overwritten(server: GcsServer, bucket: GcsBucket) -> None:
    changed = Fault("status", status=412)
    server.faults.order("rewrite", changed)
    server.faults.order("delete", changed)
    bucket.move("x", "y")
    assert names_of(bucket.list("")) == ["y"]
    server.faults.order("rewrite", changed, changed, changed)
    with pytest.raises(BucketUnavailable, match="overwritten during 3 attempts"):
        bucket.move("y", "z")
    assert bucket.read("y") == DATA


def test_upload_damaged_in_transit_is_rejected(server: GcsServer, bucket: GcsBucket) -> None:
    """The store compares the checksum that is sent with an upload."""
    right = base64.b64encode(google_crc32c.value(DATA).to_bytes(4, "big")).decode()
    store, wrong = server.store, bytearray(DATA)
    put = store.put

    def damaged(
        name: str, key: str, data: bytes, metadata: dict[str, str], asked: dict[str, str], **more: bool
    ) -> object:
        assert metadata["crc32c"] == right
        return put(name, key, bytes(wrong), metadata, asked, **more)

    wrong[1000] ^= 1
    store.put = damaged  # type: ignore[method-assign,assignment]
    with pytest.raises(BucketError, match="CRC32C"):
        bucket.create("new", DATA, TYPE)
    store.put = put  # type: ignore[method-assign]
    assert names_of(bucket.list("")) == ["x"]


OTHERS: dict[str, tuple[str, Callable[[GcsBucket], object]]] = {
    "stat": ("stat", lambda bucket: bucket.stat("x").size == len(DATA)),
    "list": ("list", lambda bucket: names_of(bucket.list("")) == ["x"]),
    "delete": ("delete", lambda bucket: bucket.delete("x") is None),
    "move, copying": ("rewrite", lambda bucket: bucket.move("x", "y") is None and bucket.read("y") == DATA),
    "move, removing": ("delete", lambda bucket: bucket.move("x", "y") is None and bucket.read("y") == DATA),
    "expire": ("get bucket", lambda bucket: bucket.expire("a/", 30)),
    "probe": ("list", lambda bucket: bucket.probe() is None),
}


@pytest.mark.parametrize("call", OTHERS)
def test_every_other_call_retries_a_transient_fault(server: GcsServer, bucket: GcsBucket, call: str) -> None:
    operation, work = OTHERS[call]
    for fault in TRANSIENT[:5]:
        server.faults.order(operation, fault)
        assert work(bucket)
        bucket.replace("x", DATA, TYPE)
        server.store.bucket("photos").lifecycle = {}


@pytest.mark.parametrize("fault", [Fault("status", status=503), Fault("reset"), Fault("stall", seconds=0.6)], ids=repr)
def test_permanent_fault_ends_at_the_time_limit(server: GcsServer, fault: Fault) -> None:
    bucket = bucket_at(server.url, "photos", SHORT)
    server.faults.draw(1.0, fault)
    calls: list[Callable[[], object]] = [lambda: bucket.read("x"), lambda: bucket.create("y", b"y", TYPE)]
    for call in calls:
        with pytest.raises(BucketUnavailable, match="retried until the time limit"):
            call()


def test_probe_has_a_shorter_time_limit(server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contract.bucket.gcs.client.PROBE_SECONDS", 0.3)
    bucket = bucket_at(server.url, "photos", TimeoutPolicy(min_pause=0.02, max_pause=0.05))
    server.faults.draw(1.0, Fault("status", status=503))
    began = time.monotonic()
    with pytest.raises(BucketUnavailable):
        bucket.probe()
    assert time.monotonic() - began < 3


def test_slow_upload_is_not_a_timeout(server: GcsServer) -> None:
    """The client's sockets apply the connect timeout to sending as well, so it must grow with the upload."""
    bucket = bucket_at(server.url, "photos", TimeoutPolicy(connect=0.3, read=0.3, retries=2.0, min_pause=0.01))
    server.link = Link(rate=10e6)
    data = os.urandom(5_000_000)
    for name in ("on a new connection", "on a reused one"):
        bucket.create(name, data, TYPE)
    assert server.requests["write"] == 2


def test_rejected_requests_release_their_connections(server: GcsServer) -> None:
    bucket = bucket_at(server.url, "photos", connections=2)
    bucket.replace("x", DATA, TYPE)
    server.faults.order("read", *[Fault("status", status=503)] * 5)
    assert bucket.read("x") == DATA
    pieces = Pieces()
    server.faults.order("read", *[Fault("status", status=429)] * 5)
    bucket.download_to("x", pieces)
    assert b"".join(pieces.seen) == DATA


def test_stopped_server_raises_bucket_unavailable() -> None:
    with GcsServer("photos") as server:
        bucket = bucket_at(server.url, "photos", SHORT)
        bucket.replace("x", b"x", TYPE)
        bucket._access.client._http.close()
    with pytest.raises(BucketUnavailable):
        bucket.read("x")


@pytest.mark.parametrize("operation", ["read", "write", "list", "stat", "delete"])
def test_missing_permission_is_named_and_not_retried(server: GcsServer, bucket: GcsBucket, operation: str) -> None:
    server.denied.add(operation)
    calls: dict[str, Callable[[], object]] = {
        "read": lambda: bucket.read("x"),
        "write": lambda: bucket.create("y", b"y", TYPE),
        "list": lambda: list(bucket.list("")),
        "stat": lambda: bucket.stat("x"),
        "delete": lambda: bucket.delete("x"),
    }
    with pytest.raises(BucketDenied, match=r"roles/storage\.objectUser") as caught:
        calls[operation]()
    assert not caught.value.temporary
    assert server.requests[operation] == 1


def test_client_sends_no_telemetry_request(server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def metadata_requests() -> int:
        bucket = bucket_at(server.url, "photos")
        bucket.replace("x", DATA, TYPE)
        bucket.stat("x")
        deadline = time.monotonic() + 0.4
        while not server.requests["get bucket"] and time.monotonic() < deadline:
            time.sleep(0.02)
        return server.requests["get bucket"]

    assert metadata_requests() == 0
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "false")
    assert metadata_requests() == 1, "the client no longer sends it: remove our setting"


def test_concurrent_calls_with_faults_lose_nothing(server: GcsServer) -> None:
    name = new_name()
    server.store.add_bucket(name)
    bucket = bucket_at(server.url, name, HASTY)
    contents = {f"processed/{number}": os.urandom(3000 + 500 * number) for number in range(60)}
    server.faults.draw(0.25, *MIXED)
    server.faults.order("read", *MIXED)  # random draws may miss a kind
    faults: list[BaseException] = []

    def work(names: list[str]) -> None:
        try:
            for name in names:
                bucket.create(name, contents[name], TYPE)
                assert bucket.read(name) == contents[name]
        except BaseException as error:
            faults.append(error)
            raise

    names = list(contents)
    threads = [threading.Thread(target=work, args=(names[part::6],)) for part in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert faults == []
    assert len(server.faults.met) == len({fault.kind for fault in MIXED})
    stored = server.store.bucket(name).objects
    assert {name: stored[name].data for name in stored} == contents
