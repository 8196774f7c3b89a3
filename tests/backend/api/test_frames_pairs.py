"""Pairs of photos on one screen: split-screen variants are rendered, queued, shown and removed."""

from __future__ import annotations

import pytest

from contract.split_screen import split_key
from tests.support import frame_library, server
from tests.support.frame_library import queue
from tests.support.server import problem

pytestmark = pytest.mark.server


@pytest.fixture
def paired(backend: server.BackendServer) -> list[str]:
    """Create a wide screen with pairing and six rendered photos. Returns the ids of the four portraits."""
    backend.add_device("hall", 80, 48, pairing=True, gap=4)
    ids = frame_library.upload(backend, wide=2, tall=4)
    near = {ids[2]: frame_library.REDS, ids[3]: frame_library.BLUES, ids[4]: frame_library.REDS}
    frame_library.render(backend, backend.claim("run/0"), {**near, ids[5]: frame_library.BLUES})
    return ids[2:]


def test_pairs_portraits_are_shown_side_by_side(backend: server.BackendServer, paired: list[str]) -> None:
    entries = queue(backend.admin, "hall")
    pairs = [entry for entry in entries if entry["isPaired"]]
    assert [entry["isPaired"] for entry in entries].count(False) == 2
    assert sorted(photo for pair in pairs for photo in (pair["imageId"], pair["pairedWith"])) == sorted(paired)
    for pair in pairs:
        assert {pair["imageId"], pair["pairedWith"]} in (
            {paired[0], paired[2]},
            {paired[1], paired[3]},
        )  # by similarity of colours
        assert (pair["width"], pair["height"]) == (38, 48)
        assert f"/{pair['pairedWith']}-" in pair["pairedFilePath"]
        for url in (pair["url"], pair["pairedUrl"]):
            assert backend.anonymous.get(url).status_code == 200
        alone = backend.admin.get(f"/api/devices/hall/images/{pair['imageId']}").json()
        assert (alone["isPaired"], alone["width"]) == (False, 80)
    red = next(pair for pair in pairs if pair["imageId"] in (paired[0], paired[2]))
    assert red["colorPalette"]["sourceColor"] == "#B02020"  # computed from both histograms, not as reported
    assert red["colours"]["source"] == "#B02020"


def test_pairs_split_screen_variants_are_not_counted(backend: server.BackendServer, paired: list[str]) -> None:
    assert backend.admin.get("/api/devices/hall").json()["ready"] == 6
    status = backend.admin.get("/api/admin/status").json()
    assert (status["variants"], status["images"]["complete"]) == (6, 6)
    assert backend.sql("SELECT count(*) FROM processed_images WHERE device_size = ?", split_key("hall")) == [(4,)]


def test_pairs_image_is_complete_without_split_screen_variant(backend: server.BackendServer) -> None:
    backend.add_device("hall", pairing=True)
    (image,) = frame_library.upload(backend, tall=1)
    (claimed,) = backend.claim("run/0")
    assert [item["device"] for item in claimed["work"]] == ["hall", "hall/half"]
    claimed["work"] = claimed["work"][:1]  # like a client without split-screen variants
    frame_library.render(backend, [claimed])
    assert backend.state(image) == "complete"
    assert [entry["isPaired"] for entry in queue(backend.admin, "hall")] == [False]


def test_pairs_enabled_later_are_backfilled(backend: server.BackendServer) -> None:
    backend.add_device("hall")
    wide, *tall = frame_library.upload(backend, wide=1, tall=3)
    frame_library.render(backend, backend.claim("run/0"))
    assert not any(entry["isPaired"] for entry in queue(backend.admin, "hall"))
    body = {"name": "hall", "width": 80, "height": 48, "pairing": True}
    backend.admin.put("/api/devices/hall", json=body).raise_for_status()
    assert [backend.state(image) for image in (wide, *tall)] == ["complete", *["pending"] * 3]
    assert len(queue(backend.admin, "hall")) == 4  # all photos are shown alone until then
    backend.add_device("other", 60, 60)  # its variants are requested at once
    claimed = backend.claim("run/1")
    assert {item["device"] for image in claimed for item in image["work"]} == {"hall/half", "other"}
    frame_library.render(backend, claimed)
    assert [entry["isPaired"] for entry in queue(backend.admin, "hall")].count(True) == 1
    backend.admin.put("/api/devices/hall", json={**body, "gap": 10}).raise_for_status()
    assert not any(entry["isPaired"] for entry in queue(backend.admin, "hall"))  # no variant has the new width yet
    frame_library.render(backend, backend.claim("run/2"))
    (pair,) = (entry for entry in queue(backend.admin, "hall") if entry["isPaired"])
    assert pair["width"] == 35


def test_pairs_disabled_shows_each_photo_alone(backend: server.BackendServer, paired: list[str]) -> None:
    assert backend.objects("processed/hall%2Fhalf/")
    backend.admin.put(
        "/api/devices/hall", json={"name": "hall", "width": 80, "height": 48, "pairing": False}
    ).raise_for_status()
    shown = queue(backend.admin, "hall")
    assert [entry["isPaired"] for entry in shown] == [False] * 6
    backend.processor.post("/internal/tick").raise_for_status()
    assert backend.objects("processed/hall%2Fhalf/") == set()


def test_pairs_deleted_photo_leaves_its_partner(backend: server.BackendServer, paired: list[str]) -> None:
    gone = queue(backend.admin, "hall")
    first = next(entry for entry in gone if entry["isPaired"])
    backend.admin.delete(f"/api/images/{first['imageId']}").raise_for_status()
    left = queue(backend.admin, "hall")
    shown = [photo for entry in left for photo in (entry["imageId"], entry["pairedWith"]) if photo]
    assert len(shown) == len(set(shown)) == 5
    assert first["pairedWith"] in shown
    assert not any(first["imageId"] in name for name in backend.objects("processed/"))
    problem(backend.anonymous.get(first["url"]), 404)


def test_pairs_landscapes_are_shown_one_above_the_other(backend: server.BackendServer) -> None:
    backend.add_device("tall", 48, 80, pairing=True, gap=2)
    ids = frame_library.upload(backend, wide=2, tall=1)
    frame_library.render(backend, backend.claim("run/0"))
    (pair,) = (entry for entry in queue(backend.admin, "tall") if entry["isPaired"])
    assert (pair["width"], pair["height"]) == (48, 39)
    assert {pair["imageId"], pair["pairedWith"]} == set(ids[:2])


def test_pairs_default_depends_on_the_device_shape(backend: server.BackendServer) -> None:
    for name, width, height, pairs in (("wide", 80, 48, True), ("square", 50, 50, False), ("long", 300, 50, False)):
        backend.admin.post("/api/devices", json={"name": name, "width": width, "height": height}).raise_for_status()
        body = backend.admin.get(f"/api/devices/{name}").json()
        assert (body["pairing"], body["pairs"]) == (True, pairs)
    backend.admin.post("/api/devices", json={"name": "wide", "width": 80, "height": 48, "gap": 6, "interval": 60})
    backend.admin.post("/api/devices", json={"name": "wide", "width": 80, "height": 48})  # as legacy clients send it
    body = backend.admin.get("/api/devices/wide").json()
    assert (body["gap"], body["interval"], body["pairing"]) == (6, 60, True)
