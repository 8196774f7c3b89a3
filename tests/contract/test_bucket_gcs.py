"""Bucket in Google Cloud Storage: the conformance suite against our emulator and against gcp-storage-emulator.

gcp-storage-emulator is an independent implementation and serves as a referee: our emulator could share a wrong
assumption with the code under test. It is less strict, so some tests are skipped there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.bucket.gcs.bucket import GcsBucket, deletion_rule
from contract.bucket.gcs.client import TimeoutPolicy
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket, BucketDenied, BucketError, BucketUnavailable, ObjectNotFound, ObjectTooLarge
from emulators.cloud_storage.server import GcsServer
from tests.conformance.bucket import TYPE, BucketPromises, names_of
from tests.support.gcs_buckets import bucket_at, new_name, referee

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[GcsServer]:
    with GcsServer(max_page=37) as running:  # the service may return fewer entries than requested
        yield running


@pytest.fixture(scope="module")
def referee_address() -> Iterator[str]:
    with referee() as address:
        yield address


def strict_bucket(server: GcsServer, **more: int) -> GcsBucket:
    name = new_name()
    server.store.add_bucket(name)
    server.denied.clear()
    server.requests.clear()
    return bucket_at(server.url, name, **more)  # type: ignore[arg-type]


class TestStrict(BucketPromises):
    @pytest.fixture
    def bucket(self, server: GcsServer) -> Bucket:
        return strict_bucket(server)

    def reopen(self, bucket: Bucket) -> Bucket:
        assert isinstance(bucket, GcsBucket)
        return bucket_at(bucket._access.client._connection.API_BASE_URL, bucket._access.bucket_name)


IGNORES_PRECONDITIONS = "gcp-storage-emulator ignores preconditions"
UNSUPPORTED = {
    "test_create_with_the_same_bytes_writes_once": IGNORES_PRECONDITIONS,
    "test_create_with_other_bytes_raises_object_conflict": IGNORES_PRECONDITIONS,
    "test_concurrent_creates_write_exactly_once": IGNORES_PRECONDITIONS,
    "test_write_if_overwrites_a_generation_once": IGNORES_PRECONDITIONS,
    "test_write_stream_if_overwrites_a_generation_once": IGNORES_PRECONDITIONS,
    "test_write_if_with_concurrent_writers_loses_no_update": IGNORES_PRECONDITIONS,
    "test_list_read_in_pages_while_objects_move_misses_none": "gcp-storage-emulator has no pages",
}


class TestReferee(BucketPromises):
    @pytest.fixture
    def bucket(self, referee_address: str, request: pytest.FixtureRequest) -> Bucket:
        if reason := UNSUPPORTED.get(request.function.__name__):
            pytest.skip(reason)
        name = new_name()
        creation = urllib.request.Request(
            f"{referee_address}/storage/v1/b?project=p",
            json.dumps({"name": name}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(creation, timeout=10):
            return bucket_at(referee_address, name)

    def reopen(self, bucket: Bucket) -> Bucket:
        assert isinstance(bucket, GcsBucket)
        return bucket_at(bucket._access.client._connection.API_BASE_URL, bucket._access.bucket_name)


def test_open_bucket_with_a_gs_url_selects_gcs(server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    bucket = open_bucket("gs://my-photos/", connections=3)
    assert isinstance(bucket, GcsBucket)
    assert bucket.url == "gs://my-photos"
    for url in ("gs://", "gs:///x", "gs://name/folder"):
        with pytest.raises(ValueError, match="not a bucket"):
            open_bucket(url)


def test_proxy_of_the_environment_is_used(server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.store.add_bucket("behind-a-proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # no server listens there
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    hurried = TimeoutPolicy(connect=1.0, read=1.0, retries=0.1, min_pause=0.01)
    with pytest.raises(BucketUnavailable, match="proxy"):
        bucket_at(server.url, "behind-a-proxy", hurried).probe()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    bucket_at(server.url, "behind-a-proxy", hurried).probe()


def test_missing_credentials_error_names_the_login_command(tmp_path: Path) -> None:
    nowhere = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "NO_GCE_CHECK": "true"}
    script = (
        "from contract.bucket.port import BucketDenied\nfrom contract.bucket.open import open_bucket\n"
        "try:\n    open_bucket('gs://photos')\nexcept BucketDenied as error:\n    print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], env=nowhere, capture_output=True, text=True, timeout=60)
    assert "gcloud auth application-default login" in ended.stdout, ended.stderr


def test_missing_bucket_is_a_permanent_error_with_its_name(server: GcsServer) -> None:
    bucket = bucket_at(server.url, "no-such-bucket")
    for call in (bucket.probe, lambda: list(bucket.list(""))):
        with pytest.raises(BucketError, match="no bucket gs://no-such-bucket") as caught:
            call()
        assert not caught.value.temporary


def test_each_write_is_one_request_for_any_size(server: GcsServer) -> None:
    bucket = strict_bucket(server)
    data = os.urandom(20_000_000)
    bucket.create("images/originals/x", data, "image/jpeg")
    bucket.replace("y", data, TYPE)
    bucket.write_if("z", data, TYPE, "")
    assert server.requests["write"] == 3
    assert bucket.read("images/originals/x") == data
    assert {name: server.requests[name] for name in ("read", "stat", "get bucket")} == {
        "read": 1,
        "stat": 0,
        "get bucket": 0,
    }


def test_only_immutable_objects_may_be_cached(server: GcsServer) -> None:
    bucket = strict_bucket(server)
    bucket.create("processed/kitchen/x.jpg", b"x", "image/jpeg")
    bucket.replace("images/metadata/x.json", b"{}", "application/json")
    bucket.move("images/metadata/x.json", "images/metadata/archive/x.json")
    headers = {
        name: (stored.cache_control, stored.content_type)
        for name, stored in server.store.bucket(bucket.url.removeprefix("gs://")).objects.items()
    }
    assert headers == {
        "processed/kitchen/x.jpg": ("private, max-age=31536000, immutable", "image/jpeg"),
        "images/metadata/archive/x.json": ("no-cache", "application/json"),
    }


def test_listing_does_not_page_through_the_archive(server: GcsServer) -> None:
    bucket = strict_bucket(server)
    for number in range(90):
        bucket.replace(f"images/metadata/{number:03}.json", b"{}", TYPE)
        bucket.replace(f"images/metadata/archive/2026/{number % 12:02}/{number:03}.json", b"{}", TYPE)
    store = server.store
    store.put(bucket.url.removeprefix("gs://"), "images/metadata/", b"", {}, {})  # consoles create folders like this
    server.requests.clear()
    assert names_of(bucket.list("images/metadata/")) == [f"images/metadata/{number:03}.json" for number in range(90)]
    assert server.requests["list"] == 3  # 92 entries in pages of 37: the archive is one entry


def test_bucket_opens_at_most_the_configured_connections(server: GcsServer) -> None:
    bucket = strict_bucket(server, connections=3)
    bucket.replace("x", b"x" * 100_000, TYPE)
    server.max_connections = server.connections
    before = server.connections
    with ThreadPoolExecutor(12) as pool:
        for read in [pool.submit(bucket.read, "x") for _ in range(60)]:
            assert len(read.result()) == 100_000
    assert server.max_connections - before <= 3


def test_rejected_downloads_release_their_connections(server: GcsServer) -> None:
    bucket = strict_bucket(server, connections=1)
    size = 30_000_000
    bucket.replace("x", bytes(size), TYPE)
    for _ in range(3):
        with pytest.raises(ObjectTooLarge):
            bucket.read("x", 1000)
        with pytest.raises(ObjectNotFound):
            bucket.read("none")
    assert bucket.read("x", size) == bytes(size)
    assert server.requests["bytes down"] < 3 * size  # of the rejected downloads only the socket buffers were filled


RULES: list[dict[str, object]] = [
    {"action": {"type": "Delete"}, "condition": {"age": 400}},
    {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 90}},
    {"action": {"type": "SomethingOfNextYear", "how": [1]}, "condition": {"age": 1, "isNew": True}},
]


def test_expire_adds_its_rule_once_and_keeps_all_others(server: GcsServer) -> None:
    bucket = strict_bucket(server)
    name = bucket.url.removeprefix("gs://")
    server.store.bucket(name).lifecycle = {"rule": list(RULES)}
    assert bucket.expire("images/metadata/archive/", 30) is True
    expected = [
        *RULES,
        {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["images/metadata/archive/"]}},
    ]
    assert server.store.bucket(name).lifecycle == {"rule": expected}
    assert bucket.expire("images/metadata/archive/", 30) is False
    assert server.store.bucket(name).lifecycle == {"rule": expected}
    assert server.requests["patch bucket"] == 1


def test_expire_keeps_a_rule_that_is_added_concurrently(server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = strict_bucket(server)
    name = bucket.url.removeprefix("gs://")

    def crossed(rules: object, rule: dict[str, object]) -> list[object]:
        server.store.patch_bucket(name, {}, {"lifecycle": {"rule": [RULES[0]]}})
        return [rule]

    with monkeypatch.context() as patch:
        patch.setattr("contract.bucket.gcs.bucket.with_rule", crossed)
        with pytest.raises(BucketUnavailable, match="PreconditionFailed"):
            bucket.expire("images/metadata/archive/", 30)
    assert server.store.bucket(name).lifecycle == {"rule": [RULES[0]]}
    assert bucket.expire("images/metadata/archive/", 30)
    assert server.store.bucket(name).lifecycle == {"rule": [RULES[0], deletion_rule("images/metadata/archive/", 30)]}


@pytest.mark.parametrize("operation", ["get bucket", "patch bucket"])
def test_expire_without_permission_raises_bucket_denied(server: GcsServer, operation: str) -> None:
    bucket = strict_bucket(server)
    server.denied.add(operation)
    with pytest.raises(BucketDenied, match="is denied"):
        bucket.expire("images/metadata/archive/", 30)
    bucket.probe()  # needs no permission that a task's account lacks
