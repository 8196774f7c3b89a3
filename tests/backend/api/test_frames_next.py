"""Responses of `next`: intervals, ETags, look-ahead, filters, captions, size limits."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest

from tests.support import frame_library, server
from tests.support.frame_library import finished, queue
from tests.support.server import problem

pytestmark = pytest.mark.server

FOREVER = 2_000_000
"""Seconds of an interval that is unlikely to end during a test."""


def put(backend: server.BackendServer, name: str, **more: Any) -> None:
    body = {"name": name, "width": 80, "height": 48, **more}
    backend.admin.put(f"/api/devices/{name}", json=body).raise_for_status()


@pytest.fixture
def five(backend: server.BackendServer) -> list[str]:
    """Render five photos for a frame that changes every three weeks."""
    uploaded = finished(backend, 5, "frame")
    put(backend, "frame", interval=FOREVER)
    return uploaded


def test_next_within_an_interval_returns_the_same_entry(backend: server.BackendServer, five: list[str]) -> None:
    first = backend.admin.get("/api/devices/frame/next")
    body = first.json()
    assert body["imageId"] in five
    assert body["until"] % FOREVER == 0
    assert first.headers["cache-control"] == "private, no-cache"
    again = backend.admin.get("/api/devices/frame/next")
    assert (again.json(), again.headers["etag"]) == (body, first.headers["etag"])
    known = {"If-None-Match": first.headers["etag"]}
    unchanged = backend.admin.get("/api/devices/frame/next", headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert queue(backend.admin, "frame")[0] == {name: body[name] for name in queue(backend.admin, "frame")[0]}
    assert backend.admin.get("/api/devices/frame/slideshow").json()["showing"] == body["imageId"]
    backend.admin.delete(f"/api/images/{body['imageId']}").raise_for_status()
    assert backend.admin.get("/api/devices/frame/next", headers=known).status_code == 200


def test_next_after_steps_through_cycles_without_side_effects(backend: server.BackendServer, five: list[str]) -> None:
    first = body = backend.admin.get("/api/devices/frame/next").json()
    seen = []
    for _ in range(15):
        seen.append(body["imageId"])
        body = backend.admin.get("/api/devices/frame/next", params={"after": body["entry"]}).json()
    for begin in (0, 5, 10):
        assert sorted(seen[begin : begin + 5]) == sorted(five)
    assert all(one != other for one, other in itertools.pairwise(seen))
    assert backend.admin.get("/api/devices/frame/next").json() == first
    ahead = backend.admin.get("/api/devices/frame/slideshow", params={"after": first["entry"], "count": 2}).json()
    assert [entry["imageId"] for entry in ahead["queue"]] == seen[1:3]
    for unknown in ("gone", "7.gone", "999999.0123", "-1.x", first["imageId"][::-1]):  # falls back to the current entry
        assert backend.admin.get("/api/devices/frame/next", params={"after": unknown}).json() == first
    problem(backend.admin.get("/api/devices/frame/next", params={"after": "x" * 65}), 422)


def test_slideshow_etag_ignores_the_generation_time(backend: server.BackendServer) -> None:
    finished(backend, 3, "frame")
    first, again = (backend.admin.get("/api/devices/frame/slideshow") for _ in range(2))
    assert first.json()["generatedAt"] != again.json()["generatedAt"]
    assert first.headers["etag"] == again.headers["etag"]
    known = {"If-None-Match": f'"other", {first.headers["etag"]}'}
    assert backend.admin.get("/api/devices/frame/slideshow", headers=known).status_code == 304
    backend.admin.get("/api/devices/frame/next")
    assert backend.admin.get("/api/devices/frame/slideshow", headers=known).status_code == 200


def test_next_position_survives_a_new_interval(backend: server.BackendServer) -> None:
    finished(backend, 5, "frame")
    shown = [backend.admin.get("/api/devices/frame/next").json()["imageId"] for _ in range(2)]
    due = queue(backend.admin, "frame")[0]["imageId"]
    put(backend, "frame", interval=FOREVER)
    assert backend.admin.get("/api/devices/frame/next").json()["imageId"] == due
    put(backend, "frame", interval=0)
    following = [backend.admin.get("/api/devices/frame/next").json()["imageId"] for _ in range(2)]
    assert len({*shown, due, *following}) == 5, "no photo is shown twice"


@pytest.mark.parametrize("interval", [0, FOREVER])
def test_next_returns_a_changed_gap_immediately(backend: server.BackendServer, interval: int) -> None:
    finished(backend, 1, "frame")
    for gap in (3, 5):
        put(backend, "frame", interval=interval, gap=gap, pairing=False)
        for _ in range(2):
            assert backend.admin.get("/api/devices/frame/next").json()["gap"] == gap


def test_next_captions_are_included_on_request(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    taken = "2019:07:14 18:30:05"
    backend.upload(frame_library.picture(1, 64, 48, taken), "beach.jpg")
    backend.finish(backend.claim("run/0"))
    assert queue(backend.admin, "frame")[0]["caption"] is None
    (entry,) = backend.admin.get("/api/devices/frame/slideshow?captions=1").json()["queue"]
    assert (entry["caption"]["name"], entry["caption"]["taken"]) == ("beach.jpg", "2019-07-14T18:30:05")
    assert entry["caption"]["uploaded"].endswith("Z")
    assert backend.admin.get("/api/devices/frame/next?captions=1").json()["caption"] == entry["caption"]
    problem(backend.admin.get("/api/devices/frame/next?captions=perhaps"), 422)


def test_filters_exclude_photos(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    wide, tall = frame_library.upload(backend, wide=1, tall=1)
    frame_library.render(backend, backend.claim("run/0"))
    for filters, expected in (
        ({"orientations": ["portrait"]}, [tall]),
        ({"name": "PHOTO-0"}, [wide]),
        ({"colour": "#FF00FF", "colourDistance": 5}, []),
        ({"newestDays": 1}, [wide, tall]),
        ({"takenDays": 1}, [wide, tall]),
        ({}, [wide, tall]),
    ):
        put(backend, "frame", filters=filters)
        assert sorted(entry["imageId"] for entry in queue(backend.admin, "frame")) == sorted(expected)
    put(backend, "frame", filters={"name": "nothing like it"})
    assert "filters" in problem(backend.admin.get("/api/devices/frame/next"), 404)
    backend.sql("UPDATE images SET ingested_at = ingested_at - 200000 WHERE id = ?", wide)
    put(backend, "frame", filters={"newestDays": 1})
    assert [entry["imageId"] for entry in queue(backend.admin, "frame")] == [tall]
    put(backend, "frame", filters={})
    backend.sql("UPDATE images SET captured_at = ingested_at - 90000 WHERE id = ?", tall)
    backend.sql("UPDATE images SET captured_at = ingested_at + 199000 WHERE id = ?", wide)
    put(backend, "frame", filters={"takenDays": 1, "name": ""})
    assert [entry["imageId"] for entry in queue(backend.admin, "frame")] == [wide]
    put(backend, "frame", filters={"newestDays": 1})
    assert backend.admin.get("/api/devices/frame").json()["filters"] == {"newestDays": 1}


def test_slideshow_compact_form_is_small_and_complete(backend: server.BackendServer) -> None:
    backend.add_device("living room", pairing=True)
    frame_library.upload(backend, tall=40)
    frame_library.render(backend, backend.claim("run/0"))
    answer = backend.admin.get("/api/devices/living room/slideshow?count=20&compact=1")
    assert len(answer.content) < 4096
    body = json.loads(answer.content)
    assert len(body["q"]) == 20
    assert (body["width"], body["halfWidth"], body["halfHeight"]) == (80, 40, 48)
    for entry in body["q"]:
        assert len(entry["c"]) == 30
        for name in (entry["u"], entry["v"]):
            assert backend.anonymous.get(body["halfBase"] + name).status_code == 200
    whole = backend.admin.get("/api/devices/living room/slideshow?count=20").json()["queue"]
    assert [body["halfBase"] + entry["v"] for entry in body["q"]] == [entry["pairedUrl"] for entry in whole]
    assert body["after"] == whole[-1]["entry"]
    assert whole[0]["colours"]["dark"]["surface"][1:] == body["q"][0]["c"][-6:]
    small = backend.admin.get("/api/devices/living room/next?compact=1")
    assert (len(small.json()["q"]), len(small.content) < 600) == (1, True)


def test_slideshow_size_is_limited(backend: server.BackendServer) -> None:
    name = "\u5ba2\u5385" * 10  # makes long addresses
    backend.add_device(name, pairing=True)
    frame_library.upload(backend, wide=60, tall=60)
    for turn in range(3):
        frame_library.render(backend, backend.claim(f"run/{turn}"))
    whole = backend.admin.get(f"/api/devices/{name}/slideshow?count=100&captions=1")
    assert 50_000 < len(whole.content) < 65_536
    assert 10 < len(whole.json()["queue"]) < 100
    assert len(backend.admin.get(f"/api/devices/{name}/slideshow?count=100&compact=1").content) < 4096


def seen_at(backend: server.BackendServer) -> float:
    """Return the last-seen time of the device `mine`, as soon as it is written: after the response."""
    end = time.monotonic() + 10
    while (seen := backend.admin.get("/api/devices/mine").json()["seen_at"]) is None:
        assert time.monotonic() < end, backend.log_text()
        time.sleep(0.05)
    return float(seen)


def test_device_last_seen_is_written_once_a_minute(backend: server.BackendServer) -> None:
    token = backend.add_device("mine")["token"]
    image = backend.upload_photos(1)[0]
    backend.finish(backend.claim("run/0"))
    assert backend.admin.get(f"/api/devices/mine/images/{image}").status_code == 200
    assert backend.sql("SELECT seen_at FROM devices") == [(None,)]  # a person sent the request
    frame = backend.client(Authorization=f"Bearer {token}")
    for _ in range(3):
        assert frame.get("/api/devices/mine/next").status_code == 200
    seen = seen_at(backend)
    frame.get("/api/devices/mine/next")
    assert backend.admin.get("/api/devices/mine").json()["seen_at"] == seen


def test_device_recreated_under_its_old_name_is_seen_again(backend: server.BackendServer) -> None:
    for _ in range(2):
        frame = backend.client(Authorization=f"Bearer {backend.add_device('mine')['token']}")
        assert frame.get("/api/devices/mine/next").status_code == 404  # no photo yet; the request counts all the same
        assert seen_at(backend) > 0
        backend.admin.delete("/api/devices/mine").raise_for_status()
