"""The emulated Cloud Storage enforces each rule of `emulators.invariants`; requests as the JSON API defines them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from emulators.cloud_storage.rules import ApiError, crc32c_text
from emulators.cloud_storage.server import GcsServer

pytestmark = pytest.mark.server

DAY = 86_400.0
BUCKET = "photos"
NOW = 1_800_000_000.0


class World:
    """One emulator with an empty bucket, a clock that the test sets, and the methods of the JSON API."""

    def __init__(self, server: GcsServer, client: httpx.Client) -> None:
        self.server = server
        self._client = client
        self.now = NOW

    def call(self, method: str, path: str, body: Any = None, /, **query: object) -> httpx.Response:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        return self._client.request(method, f"{path}?{urlencode(query)}", content=content)

    def put(self, name: str, data: bytes = b"x", metadata: dict[str, Any] | None = None, /, **query: object) -> Any:
        """Insert an object in one request; return the response."""
        head = json.dumps({"name": name, **(metadata or {})}).encode()
        body = (
            b"--b\r\nContent-Type: application/json\r\n\r\n"
            + head
            + b"\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            + data
            + b"\r\n--b--"
        )
        address = f"/upload/storage/v1/b/{BUCKET}/o?{urlencode({'uploadType': 'multipart', **query})}"
        return self._client.post(address, content=body, headers={"Content-Type": "multipart/related; boundary=b"})

    def stat(self, name: str, /, **query: object) -> httpx.Response:
        return self.call("GET", f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}", **query)

    def read(self, name: str, headers: dict[str, str] | None = None, /, **query: object) -> httpx.Response:
        address = f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}?{urlencode({'alt': 'media', **query})}"
        return self._client.get(address, headers=headers)

    def delete(self, name: str, /, **query: object) -> httpx.Response:
        return self.call("DELETE", f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}", **query)

    def list(self, **query: object) -> dict[str, Any]:
        listing: dict[str, Any] = self.call("GET", f"/storage/v1/b/{BUCKET}/o", **query).json()
        return listing

    def names(self, **query: object) -> list[str]:
        return [item["name"] for item in self.list(**query).get("items", [])]

    def bucket(self) -> dict[str, Any]:
        resource: dict[str, Any] = self.call("GET", f"/storage/v1/b/{BUCKET}").json()
        return resource

    def patch(self, body: Any, /, **query: object) -> httpx.Response:
        return self.call("PATCH", f"/storage/v1/b/{BUCKET}", body, **query)

    def rules(self, *rules: Any) -> httpx.Response:
        return self.patch({"lifecycle": {"rule": list(rules)}})

    def copy(self, source: str, target: str, body: Any = None, /, **query: object) -> httpx.Response:
        path = f"/storage/v1/b/{BUCKET}/o/{source}/rewriteTo/b/{BUCKET}/o/{target}"
        return self.call("POST", path, body, **query)


@pytest.fixture
def world() -> Iterator[World]:
    with GcsServer(BUCKET) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        world = World(server, client)
        server.store._clock = lambda: world.now
        yield world


def generation_of(response: httpx.Response) -> int:
    assert response.status_code == 200, response.text
    return int(response.json()["generation"])


def reason(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["errors"][0]["reason"]


def rejected(status: int, *calls: Callable[[World], httpx.Response]) -> Callable[[World], None]:
    """Return a test: each call is answered with this status, and changes nothing."""

    def test(world: World) -> None:
        world.put("a", b"first")
        before = world.bucket()
        for call in calls:
            response = call(world)
            assert response.status_code == status, response.text
        assert world.names() == ["a"]
        assert world.read("a").content == b"first"
        assert world.bucket() == before

    return test


def generation_match(world: World) -> None:
    first = generation_of(world.put("a"))
    for call in (world.stat, world.read, world.delete, world.put):
        assert call("a", ifGenerationMatch=first + 1).status_code == 412
    assert world.put("a", b"second", ifGenerationMatch=first).status_code == 200


def generation_match_0(world: World) -> None:
    assert world.put("a", ifGenerationMatch=0).status_code == 200
    assert reason(world.put("a", ifGenerationMatch=0)) == (412, "conditionNotMet")
    world.delete("a")
    assert world.put("a", ifGenerationMatch=0).status_code == 200


def generation_not_match(world: World) -> None:
    first = generation_of(world.put("a"))
    for call in (world.stat, world.read):
        assert call("a", ifGenerationNotMatch=first).status_code == 304
        assert call("a", ifGenerationNotMatch=first + 1).status_code == 200


def metageneration_match(world: World) -> None:
    world.put("a")
    assert world.stat("a", ifMetagenerationMatch=2).status_code == 412
    assert world.stat("a", ifMetagenerationMatch=1).status_code == 200
    assert world.patch({"lifecycle": {"rule": []}}, ifMetagenerationMatch=9).status_code == 412


def source_generation_match(world: World) -> None:
    first = generation_of(world.put("a"))
    assert world.copy("a", "b", ifSourceGenerationMatch=first + 1).status_code == 412
    assert world.copy("a", "b", ifSourceGenerationMatch=first).status_code == 200


def new_generation(world: World) -> None:
    responses = [world.put("a", bytes([number])) for number in range(3)]
    generations = [generation_of(response) for response in responses]
    assert generations == sorted(set(generations))
    assert {response.json()["metageneration"] for response in responses} == {"1"}


def old_generation(world: World) -> None:
    first = generation_of(world.put("a"))
    world.put("a")
    assert world.read("a", generation=first).status_code == 404


def bucket_metageneration(world: World) -> None:
    before = int(world.bucket()["metageneration"])
    assert world.rules().json()["metageneration"] == str(before + 1)
    assert world.patch({"lifecycle": {"rule": []}}, ifMetagenerationMatch=before).status_code == 412


def name_length(world: World) -> None:
    assert world.put("ä" * 512).status_code == 200
    for name in ("", "ä" * 512 + "x"):
        assert world.put(name).status_code == 400


def bucket_name(world: World) -> None:
    for name in ("ab", "x" * 64, "Photos", "-photos", "my photos", "google-photos", "googphotos"):
        with pytest.raises(ApiError, match="bucket name"):
            world.server.store.add_bucket(name)


def default_type(world: World) -> None:
    world.put("a")
    assert world.read("a").headers["Content-Type"] == "application/octet-stream"


def overwrite_permission(world: World) -> None:
    world.put("a")
    world.put("b")
    world.server.denied.add("delete")
    assert world.put("new").status_code == 200
    assert reason(world.put("a")) == (403, "forbidden")
    token = world.copy("a", "b").json()["rewriteToken"]
    assert reason(world.copy("a", "b", rewriteToken=token)) == (403, "forbidden")


def byte_range(world: World) -> None:
    world.put("a", b"0123")
    assert world.read("a", {"Range": "bytes=1-2"}).content == b"12"
    assert world.read("a", {"Range": "bytes=4-"}).status_code == 416


def list_size(world: World) -> None:
    for number in range(1003):
        world.server.store.put(BUCKET, f"{number:04}", b"", {}, {})
    first = world.list(maxResults=5000)
    assert len(first["items"]) == 1000
    assert world.names(pageToken=first["nextPageToken"]) == ["1000", "1001", "1002"]


def list_prefixes(world: World) -> None:
    for name in ("a", "b/1", "b/2", "c"):
        world.put(name)
    listing = world.list(delimiter="/")
    assert [item["name"] for item in listing["items"]] == ["a", "c"]
    assert listing["prefixes"] == ["b/"]


def rewrite_token(world: World) -> None:
    world.put("a", b"1")
    token = world.copy("a", "b").json()["rewriteToken"]
    for target, query in (("c", {}), ("b", {"ifGenerationMatch": 0})):
        assert world.copy("a", target, rewriteToken=token, **query).status_code == 400
    assert world.copy("a", "b", rewriteToken="made-up").status_code == 400
    world.put("a", b"2")
    assert world.copy("a", "b", rewriteToken=token).status_code == 400, "the source has changed"
    assert world.names() == ["a"]


def rewrite_metadata(world: World) -> None:
    world.put("a", b"x", {"contentType": "image/jpeg", "cacheControl": "no-cache"})
    for body, expected in ((None, ("image/jpeg", "no-cache")), ({"contentType": "text/plain"}, ("text/plain", None))):
        token = world.copy("a", "b", body).json()["rewriteToken"]
        copied = world.copy("a", "b", body, rewriteToken=token).json()["resource"]
        assert (copied["contentType"], copied.get("cacheControl")) == expected


def rewrite_type(world: World) -> None:
    world.put("a")
    assert reason(world.copy("a", "b", {"name": "b"})) == (400, "required")


def rule(condition: Any = None, **action: Any) -> dict[str, Any]:
    """Return a lifecycle rule: by default, delete after a day."""
    return {
        "action": {"type": "Delete", **action},
        "condition": {"age": 1} if condition is None else condition,
    }


def lifecycle_replaces(world: World) -> None:
    world.rules(rule({"age": 1}), rule({"age": 2}))
    world.rules(rule({"age": 3}))
    assert world.bucket()["lifecycle"] == {"rule": [rule({"age": 3})]}


def lifecycle_deletes(world: World) -> None:
    world.rules(rule({"age": 30, "matchesPrefix": ["archive/", "old/"]}))
    for name in ("archive/1", "old/1", "kept/1"):
        world.put(name)
    world.now += 29 * DAY
    world.put("archive/young")
    assert world.server.store.expire_due(BUCKET) == []
    world.now += DAY
    assert sorted(world.server.store.expire_due(BUCKET)) == ["archive/1", "old/1"]
    assert world.names() == ["archive/young", "kept/1"]


def soft_delete_default(world: World) -> None:
    assert world.bucket()["softDeletePolicy"] == {"retentionDurationSeconds": "604800"}
    generation = generation_of(world.put("a"))
    world.delete("a")
    world.now += 7 * DAY - 1
    assert world.stat("a", generation=generation, softDeleted="true").status_code == 200
    world.now += 2
    assert world.stat("a", generation=generation, softDeleted="true").status_code == 404


def retention(seconds: object) -> dict[str, Any]:
    return {"softDeletePolicy": {"retentionDurationSeconds": str(seconds)}}


def soft_delete_duration(world: World) -> None:
    for seconds in (1, 604_799, 7_776_001, -1):
        assert world.patch(retention(seconds)).status_code == 400
    for seconds in (0, 604_800, 7_776_000):
        assert world.patch(retention(seconds)).status_code == 200


def soft_delete_overwrites(world: World) -> None:
    first = generation_of(world.put("a", b"four"))
    world.put("a", b"x")
    gone = world.list(softDeleted="true")["items"]
    assert [(item["name"], item["generation"], item["size"]) for item in gone] == [("a", str(first), "4")]


def soft_delete_hides(world: World) -> None:
    generation = generation_of(world.put("a"))
    world.delete("a")
    assert world.names() == []
    assert world.stat("a").status_code == world.read("a", generation=generation).status_code == 404
    assert world.names(softDeleted="true") == ["a"]


def soft_delete_change(world: World) -> None:
    world.put("before")
    world.put("after")
    world.delete("before")
    world.patch(retention(0))
    world.delete("after")
    assert world.names(softDeleted="true") == ["before"]


RULES: dict[str, Callable[[World], None]] = {
    "generation match": generation_match,
    "generation match 0": generation_match_0,
    "generation not match": generation_not_match,
    "not match without object": rejected(304, lambda world: world.put("new", ifGenerationNotMatch=1)),
    "metageneration match": metageneration_match,
    "source generation match": source_generation_match,
    "precondition number": rejected(400, lambda world: world.put("a", ifGenerationMatch="x")),
    "unknown parameter": rejected(
        400, lambda world: world.put("a", ifGenerationMatches=1), lambda world: world.delete("a", prefix="x")
    ),
    "new generation": new_generation,
    "old generation": old_generation,
    "bucket metageneration": bucket_metageneration,
    "name length": name_length,
    "name characters": rejected(400, lambda world: world.put("a\rb"), lambda world: world.put("a\nb")),
    "name of dots": rejected(400, lambda world: world.put("."), lambda world: world.put("..")),
    "name of acme": rejected(400, lambda world: world.put(".well-known/acme-challenge/x")),
    "name encoding": rejected(
        400,
        lambda world: world.put("\ud800"),
        lambda world: world.call("GET", f"/storage/v1/b/{BUCKET}/o/%FF"),
    ),
    "bucket name": bucket_name,
    "checksum crc32c": rejected(400, lambda world: world.put("a", b"x", {"crc32c": crc32c_text(b"y")})),
    "checksum md5": rejected(400, lambda world: world.put("a", b"x", {"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="})),
    "default type": default_type,
    "overwrite permission": overwrite_permission,
    "range": byte_range,
    "list size": list_size,
    "list prefixes": list_prefixes,
    "list token": rejected(400, lambda world: world.call("GET", f"/storage/v1/b/{BUCKET}/o", pageToken="made-up")),
    "rewrite token": rewrite_token,
    "rewrite metadata": rewrite_metadata,
    "rewrite type": rewrite_type,
    "lifecycle count": rejected(400, lambda world: world.rules(*[rule({"age": day}) for day in range(101)])),
    "lifecycle action": rejected(400, lambda world: world.rules(rule(type="Archive"))),
    "lifecycle class": rejected(
        400,
        lambda world: world.rules(rule(type="SetStorageClass")),
        lambda world: world.rules(rule(storageClass="NEARLINE")),
    ),
    "lifecycle condition": rejected(
        400, lambda world: world.rules(rule({})), lambda world: world.rules(rule({"older": 1}))
    ),
    "lifecycle days": rejected(
        400, lambda world: world.rules(rule({"age": -1})), lambda world: world.rules(rule({"age": "1"}))
    ),
    "lifecycle replaces": lifecycle_replaces,
    "lifecycle deletes": lifecycle_deletes,
    "soft delete default": soft_delete_default,
    "soft delete duration": soft_delete_duration,
    "soft delete overwrites": soft_delete_overwrites,
    "soft delete hides": soft_delete_hides,
    "soft delete change": soft_delete_change,
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(world: World, rule: str) -> None:
    RULES[rule](world)
