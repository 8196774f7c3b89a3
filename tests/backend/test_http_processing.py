"""The processing calls over real HTTP: claims, leases, attempts, results, strikes, back-fill."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any
from urllib.parse import quote

import pytest
import server
from server import problem

OTHER_ID = "f" * 32


@pytest.fixture
def frame(backend: server.BackendServer) -> dict[str, Any]:
    """The one device, `frame`, 80x48."""
    return backend.add_device("frame")


@pytest.fixture
def image(backend: server.BackendServer, frame: dict[str, Any]) -> str:
    """One pending photo, with one device to be rendered for."""
    return backend.upload_photos(1)[0]


def start(backend: server.BackendServer, claimed: dict[str, Any]) -> dict[str, Any]:
    answer = backend.processor.post(
        f"/api/processing-attempts/{claimed['id']}/start", json={"attempt": 0, "lease": claimed["lease"]}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def report(backend: server.BackendServer, message: dict[str, Any]) -> dict[str, Any]:
    answer = backend.processor.post("/api/processed-images", json=message)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def record(backend: server.BackendServer) -> list[tuple[Any, ...]]:
    """All that the database says about images and their pictures."""
    return backend.sql("SELECT * FROM images ORDER BY id") + backend.sql("SELECT * FROM processed_images ORDER BY id")


def expire(backend: server.BackendServer) -> None:
    """Let every lease be past its end."""
    backend.sql("UPDATE images SET lease_until = ? WHERE lease_until IS NOT NULL", time.time() - 1)


# --- The way of an image ------------------------------------------------------------------------


def test_claim_start_results_complete(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    image_id = backend.upload_photos(1)[0]
    before = time.time()
    answer = backend.processor.post(
        "/api/processing/claims", json={"owner": "run/0", "attempt": 0, "shard": 0, "shards": 1, "limit": 8}
    ).json()
    (claimed,) = answer["images"]
    assert claimed["id"] == image_id
    assert claimed["filePath"] == f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg"
    assert (claimed["width"], claimed["height"], claimed["orientation"]) == (64, 48, "landscape")
    assert [item["device"] for item in claimed["work"]] == ["tall", "wide"]
    assert claimed["suspect"] is False
    assert answer["leaseSeconds"] == 60
    assert answer["renewSeconds"] == 20
    assert before + 59 < claimed["leaseUntil"] < time.time() + 61
    assert {device["key"]: (device["width"], device["height"]) for device in answer["devices"]} == {
        "wide": (80, 48),
        "tall": (48, 80),
    }
    assert backend.state(image_id) == "processing"
    assert backend.sql("SELECT attempts FROM images") == [(0,)]  # a claim is no attempt

    assert start(backend, claimed)["attempt"] == 1
    assert start(backend, claimed)["attempt"] == 1  # the same attempt, told twice

    message = backend.render(claimed)
    thumbnail = f"images/thumbnails/{image_id}-0123456789.jpg"
    message["outcomes"][0] |= {
        "thumbnail": {"filePath": thumbnail, "width": 200, "height": 200},
        "histogram": {"#102030": 5},
        "seconds": 0.25,
        "processedAt": 1_700_000_000.0,
    }
    assert report(backend, message) == {"inserted": 2}
    shown = backend.admin.get(f"/api/images/{image_id}").json()
    assert shown["processingStatus"] == "complete"
    assert shown["colorPalette"] == server.PALETTE
    assert shown["thumbnailPath"] == f"{backend.bucket.as_uri()}/{thumbnail}"
    assert shown["histogram"] == {"#102030": 5}
    assert [(entry["deviceSize"], entry["width"], entry["height"]) for entry in shown["variants"]] == [
        ("tall", 48, 80),
        ("wide", 80, 48),
    ]
    columns = "color_primary, color_secondary, color_tertiary, color_source, device_size"
    assert backend.sql(f"SELECT {columns} FROM processed_images WHERE device_size = 'wide'") == [
        ("#102030", "#405060", "#708090", "#A0B0C0", "wide")
    ]
    assert backend.claim("run/1") == []
    assert backend.processor.get("/api/processing/pending").json() == []


def test_variants_may_come_before_their_outcome(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    image_id = backend.upload_photos(1)[0]
    message = backend.render(backend.claim("run/0")[0])
    tall, wide = message["images"]
    assert report(backend, {"images": [tall]}) == {"inserted": 1}
    assert backend.state(image_id) == "processing"
    assert report(backend, {"images": [wide], "outcomes": message["outcomes"]}) == {"inserted": 1}
    assert backend.state(image_id) == "complete"


def test_an_outcome_that_lacks_a_picture_fails_the_image_instead_of_going_round(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    image_id = backend.upload_photos(1)[0]
    report(backend, backend.render(backend.claim("run/0")[0], without=["tall"]))
    shown = backend.admin.get(f"/api/images/{image_id}").json()
    assert shown["processingStatus"] == "failed"
    assert "tall" in shown["processingError"]


def test_results_repeated_change_nothing(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    report(backend, message)
    before = record(backend)
    assert report(backend, message) == {"inserted": 1}
    assert record(backend) == before
    assert backend.sql("SELECT image_id, device_size FROM processed_images") == [(image, "frame")]
    assert backend.sql("SELECT count(*) FROM garbage") == [(0,)]


# --- Claims and leases --------------------------------------------------------------------------


def test_a_repeated_claim_id_gives_the_same_leases(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.upload_photos(6)
    claim_id = secrets.token_hex(16)
    first = backend.claim("run/0", limit=3, claimId=claim_id)
    assert len(first) == 3
    assert backend.claim("run/0", limit=3, claimId=claim_id) == first
    assert len(backend.claim("run/0", limit=50)) == 3  # without an id, or with another, it is a new claim
    assert backend.claim("run/0", limit=3, claimId=claim_id) == first
    backend.finish(first[:1])
    assert backend.claim("run/0", limit=3, claimId=claim_id) == first[1:]


def test_a_claim_id_of_another_owner_gives_nothing_of_his(backend: server.BackendServer, image: str) -> None:
    claim_id = secrets.token_hex(16)
    assert len(backend.claim("run/0", claimId=claim_id)) == 1
    assert backend.claim("run/1", claimId=claim_id) == []


def test_owners_never_share_an_image(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    uploaded = backend.upload_photos(40)
    claimed: list[str] = []
    faults: list[str] = []

    def take(owner: int) -> None:
        client = backend.client(Authorization=backend.processor.headers["Authorization"])
        body = {"owner": f"run/{owner}", "shard": owner, "shards": 8, "limit": 3}
        for _ in range(40):
            answer = client.post("/api/processing/claims", json=body)
            if answer.status_code != 200:
                faults.append(answer.text)
            elif not answer.json()["images"]:
                return
            else:
                claimed.extend(image["id"] for image in answer.json()["images"])

    threads = [threading.Thread(target=take, args=(owner,)) for owner in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert sorted(claimed) == sorted(uploaded)


def test_the_own_shard_comes_first_and_then_whatever_is_left(
    backend: server.BackendServer, frame: dict[str, Any]
) -> None:
    uploaded = backend.upload_photos(16)
    mine = [image_id for image_id in uploaded if int(image_id[:7], 16) % 2 == 1]
    assert 0 < len(mine) < 16
    first = backend.claim("run/1", limit=len(mine), shard=1, shards=2)
    assert sorted(entry["id"] for entry in first) == sorted(mine)
    rest = backend.claim("run/1", limit=50, shard=1, shards=2)
    assert sorted(entry["id"] for entry in rest) == sorted(set(uploaded) - set(mine))


def test_a_higher_attempt_of_the_owner_takes_over_at_once(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0", attempt=0)
    assert backend.claim("run/1", attempt=5) == []
    assert backend.claim("run/0", attempt=0) == []
    (second,) = backend.claim("run/0", attempt=1)
    assert second["id"] == image
    assert second["lease"] != first["lease"]
    assert second["suspect"] is False  # decoding had not begun
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": [first["lease"]]}), 409)
    assert backend.claim("run/0", attempt=0) == []  # the earlier attempt, still alive, gets nothing back


def test_renewal(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.upload_photos(2)
    first, second = backend.claim("run/0")
    backend.sql("UPDATE images SET lease_until = ?", time.time() + 5)
    answer = backend.processor.post(
        "/api/processing/claims/renew", json={"leases": [first["lease"], second["lease"]]}
    ).json()
    assert sorted(answer["held"]) == sorted([first["lease"], second["lease"]])
    assert answer["lost"] == []
    assert answer["leaseUntil"] > time.time() + 50
    assert all(row[0] > time.time() + 50 for row in backend.sql("SELECT lease_until FROM images"))
    backend.finish([first])
    partly = backend.processor.post(
        "/api/processing/claims/renew", json={"leases": [first["lease"], second["lease"]]}
    ).json()
    assert (partly["held"], partly["lost"]) == ([second["lease"]], [first["lease"]])
    refused = backend.processor.post("/api/processing/claims/renew", json={"leases": [first["lease"], "made-up"]})
    problem(refused, 409)
    assert refused.json()["held"] == []
    assert sorted(refused.json()["lost"]) == sorted([first["lease"], "made-up"])


def test_release(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    start(backend, claimed)
    leases = {"leases": [claimed["lease"]]}
    assert backend.processor.post("/api/processing/claims/release", json=leases).json()["held"] == [claimed["lease"]]
    assert backend.state(image) == "pending"
    problem(backend.processor.post("/api/processing/claims/release", json=leases), 409)
    (again,) = backend.claim("run/1")
    assert again["suspect"] is False  # an orderly return


def test_an_expired_lease_is_free_for_others(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0")
    expire(backend)
    (second,) = backend.claim("run/1")
    assert second["id"] == image
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": [first["lease"]]}), 409)


def test_the_tick_shows_expired_leases_as_pending(backend: server.BackendServer, image: str) -> None:
    backend.claim("run/0")
    expire(backend)
    assert backend.processor.post("/internal/tick").json()["freed_leases"] == 1
    assert backend.state(image) == "pending"


def test_a_lost_lease_changes_nothing(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0")
    late = backend.render(first)
    expire(backend)
    (second,) = backend.claim("run/1")
    before = record(backend)
    answer = report(backend, late)
    assert answer["inserted"] == 0
    (refused,) = answer["errors"]
    assert (refused["imageId"], refused["deviceSize"]) == (image, "frame")
    assert "lease" in refused["error"]
    failed = {"error": "late", "attempt": 1, "lease": first["lease"]}
    problem(backend.processor.patch(f"/api/images/{image}/failed", json=failed), 409)
    problem(backend.processor.patch(f"/api/images/{image}/failed", json=failed | {"strike": True}), 409)
    begin = {"attempt": 0, "lease": first["lease"]}
    problem(backend.processor.post(f"/api/processing-attempts/{image}/start", json=begin), 409)
    assert record(backend) == before
    backend.finish([second])
    assert backend.state(image) == "complete"


def test_the_guides_repair_works_by_itself(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    uploaded = backend.upload_photos(3)
    old = backend.claim("run/0")
    backend.sql("UPDATE images SET processing_status='pending' WHERE processing_status='processing'")
    leases = [entry["lease"] for entry in old]
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": leases}), 409)
    late = backend.render(old[0])
    assert report(backend, late)["inserted"] == 0
    assert [entry["id"] for entry in backend.processor.get("/api/processing/pending").json()] == uploaded
    new = backend.claim("run/1")
    assert sorted(entry["id"] for entry in new) == sorted(uploaded)
    assert report(backend, late)["inserted"] == 0
    backend.finish(new)
    assert backend.sql("SELECT DISTINCT processing_status FROM images") == [("complete",)]


# --- Suspects, strikes, failures ----------------------------------------------------------------


def test_an_attempt_without_a_report_makes_a_suspect(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.upload_photos(2)
    begun, untouched = backend.claim("run/0", attempt=0)
    start(backend, begun)
    found = {entry["id"]: entry for entry in backend.claim("run/0", attempt=1)}
    assert found[begun["id"]]["suspect"] is True
    assert found[begun["id"]]["attempt"] == 1
    assert found[untouched["id"]]["suspect"] is False
    assert backend.sql("SELECT DISTINCT strikes FROM images") == [(0,)]  # the death of a task is no strike
    backend.finish(found.values())
    assert backend.sql("SELECT DISTINCT suspect, attempt_open FROM images") == [(0, 0)]


def test_three_strikes_fail_an_image(backend: server.BackendServer, image: str) -> None:
    for number in (1, 2, 3):
        (claimed,) = backend.claim(f"run/{number}")
        start(backend, claimed)
        strike = {"error": f"child died {number}", "lease": claimed["lease"], "strike": True}
        assert backend.processor.patch(f"/api/images/{image}/failed", json=strike).json() == {"success": True}
        backend.processor.patch(f"/api/images/{image}/failed", json=strike)  # the answer was lost, say
        assert backend.sql("SELECT strikes FROM images") == [(number,)]
        assert backend.state(image) == ("failed" if number == 3 else "pending")
    shown = backend.admin.get(f"/api/images/{image}").json()
    assert shown["processingError"] == "child died 3"
    assert backend.claim("run/4") == []
    assert backend.admin.post("/api/admin/retry", json={"which": "failed"}).json() == {"retried": 1}
    (again,) = backend.claim("run/5")
    assert again["suspect"] is False
    assert backend.sql("SELECT strikes FROM images") == [(0,)]


def test_after_a_strike_the_image_is_a_suspect(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    strike = {"error": "child died", "lease": claimed["lease"], "strike": True}
    backend.processor.patch(f"/api/images/{image}/failed", json=strike)
    assert backend.claim("run/1")[0]["suspect"] is True


def test_a_photo_that_cannot_be_rendered_is_failed_with_its_reason(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    start(backend, claimed)
    failure = {"error": "photo-0.jpg: its pixels are broken", "attempt": 1, "lease": claimed["lease"]}
    for _ in range(2):  # repeated, it is still a success
        answer = backend.processor.patch(f"/api/images/{image}/failed", json=failure)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    (shown,) = backend.admin.get("/api/images?state=failed").json()["images"]
    assert shown["processingError"] == "photo-0.jpg: its pixels are broken"
    assert backend.claim("run/1") == []
    assert report(backend, backend.render(claimed))["inserted"] == 0
    assert backend.state(image) == "failed"


def test_retry_by_kind(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    uploaded = backend.upload_photos(3)
    failed, stuck, done = backend.claim("run/0")
    backend.processor.patch(f"/api/images/{failed['id']}/failed", json={"error": "no", "lease": failed["lease"]})
    backend.finish([done])
    retry = backend.admin
    assert retry.post("/api/admin/retry", json={"which": "failed"}).json() == {"retried": 1}
    assert backend.sql("SELECT processing_status, processing_error FROM images WHERE id=?", failed["id"]) == [
        ("pending", None)
    ]
    assert retry.post("/api/admin/retry", json={"which": "stuck"}).json() == {"retried": 1}
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": [stuck["lease"]]}), 409)
    named = {"which": "named", "ids": [done["id"], OTHER_ID]}
    assert retry.post("/api/admin/retry", json=named).json() == {"retried": 1}
    assert sorted(row[0] for row in backend.sql("SELECT id FROM images WHERE processing_status='pending'")) == sorted(
        uploaded
    )


def test_a_retried_photo_that_lacks_nothing_is_complete_without_work(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    named = {"which": "named", "ids": [image]}
    assert backend.admin.post("/api/admin/retry", json=named).json() == {"retried": 1}
    assert backend.claim("run/1") == []
    assert backend.state(image) == "complete"


# --- What may not be reported -------------------------------------------------------------------


def test_rows_are_refused_one_by_one(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    message = backend.render(claimed)
    (good,) = message["images"]
    place = f"processed/frame/{image}"
    bad = {
        "no device": good | {"deviceSize": "nobody", "filePath": f"processed/nobody/{image}.jpg"},
        "80x48": good | {"width": 81},
        "unknown image": good | {"imageId": OTHER_ID, "filePath": f"processed/frame/{OTHER_ID}.jpg"},
        "lease": good | {"lease": "made-up"},
    }
    paths = [
        "../../etc/passwd",
        "processed/../images/originals/x.jpg",
        f"{backend.bucket.as_uri()}/processed/../../secrets.json",
        f"{backend.bucket.as_uri()}-other/{place}.jpg",
        f"file:///elsewhere/{place}.jpg",
        f"gs://another-bucket/{place}.jpg",
        f"images/originals/{image}.jpg",
        f"images/thumbnails/{image}.jpg",
        f"/{place}.jpg",
        f"processed//{image}.jpg",
        f"processed\\frame\\{image}.jpg",
        f"processed/frame/{OTHER_ID}.jpg",
        f"processed/other-frame/{image}.jpg",
        f"{place}\x00.jpg",
    ]
    rows = [*bad.values(), *(good | {"filePath": path} for path in paths)]
    answer = report(backend, {"images": [*rows, good]})
    assert answer["inserted"] == 1
    errors = [entry["error"] for entry in answer["errors"]]
    assert len(errors) == len(rows)
    for wanted, error in zip(bad, errors, strict=False):
        assert wanted in error
    assert all(error.startswith("filePath") for error in errors[len(bad) :])
    assert backend.sql("SELECT file_path FROM processed_images") == [(good["filePath"],)]


def test_a_thumbnail_elsewhere_is_not_taken(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    message["outcomes"][0]["thumbnail"] = {
        "filePath": f"images/originals/{image}.jpg",
        "width": 200,
        "height": 200,
    }
    report(backend, message)
    assert backend.sql("SELECT processing_status, thumbnail_path FROM images") == [("complete", None)]


def test_an_outcome_under_a_lost_lease_is_not_taken(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0", attempt=0)
    backend.claim("run/0", attempt=1)
    before = record(backend)
    report(backend, {"images": [], "outcomes": backend.render(first)["outcomes"]})
    assert record(backend) == before


def test_a_renderer_of_another_version_gets_409(backend: server.BackendServer, image: str) -> None:
    claims = "/api/processing/claims"
    told = problem(backend.processor.post(claims, json={"owner": "run/0", "rendererVersion": 999_999}), 409)
    assert "999999" in told
    assert backend.state(image) == "pending"


# --- Devices come and go ------------------------------------------------------------------------


def shown(backend: server.BackendServer, device: str) -> list[str]:
    queue = backend.admin.get(f"/api/devices/{device}/slideshow").json()["queue"]
    return sorted(entry["imageId"] for entry in queue)


def test_a_new_device_is_back_filled_behind_new_photos(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    old = backend.upload_photos(2)
    backend.finish(backend.claim("run/0"))
    backend.add_device("second", 48, 80)
    assert [backend.state(image_id) for image_id in old] == ["pending", "pending"]
    assert shown(backend, "frame") == sorted(old)  # still served
    new = backend.upload_photos(1, first=10)
    pending = [entry["id"] for entry in backend.processor.get("/api/processing/pending").json()]
    assert pending == new + old
    first, *rest = backend.claim("run/0", limit=1) + backend.claim("run/1")
    assert first["id"] == new[0]
    assert [item["device"] for item in first["work"]] == ["frame", "second"]
    assert all([item["device"] for item in entry["work"]] == ["second"] for entry in rest)  # only what lacks
    backend.finish([first, *rest])
    assert backend.sql("SELECT count(*) FROM processed_images") == [(6,)]
    assert backend.sql("SELECT DISTINCT processing_status FROM images") == [("complete",)]


def test_a_resized_device_gets_new_pictures_and_serves_the_old_ones_until_then(
    backend: server.BackendServer, image: str
) -> None:
    backend.finish(backend.claim("run/0"))
    (before,) = backend.sql("SELECT file_path, recipe FROM processed_images")
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 100, "height": 60}).raise_for_status()
    assert backend.state(image) == "pending"
    assert shown(backend, "frame") == [image]
    (claimed,) = backend.claim("run/1")
    assert claimed["work"][0]["recipe"] != before[1]
    backend.finish([claimed])
    (after,) = backend.sql("SELECT file_path, width, height FROM processed_images")
    assert after[0] != before[0]
    assert after[1:] == (100, 60)
    # The old object stays a day, for frames that still hold its address.
    ((name, when),) = backend.sql("SELECT object_name, delete_after FROM garbage")
    assert name == before[0]
    assert time.time() + 23 * 3600 < when < time.time() + 25 * 3600
    backend.processor.post("/internal/tick").raise_for_status()
    assert len(backend.objects("processed/frame/")) == 2


def test_a_resize_while_a_task_works_is_made_good_later(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    late = backend.render(claimed)
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 100, "height": 60}).raise_for_status()
    answer = report(backend, late)
    assert answer["inserted"] == 0
    assert "100x60" in answer["errors"][0]["error"]
    assert backend.state(image) == "pending"  # not failed: the task could not know
    backend.finish(backend.claim("run/1"))
    assert backend.state(image) == "complete"


def test_a_rename_asks_for_no_new_pictures(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    backend.admin.put("/api/devices/frame", json={"name": "kitchen", "width": 80, "height": 48}).raise_for_status()
    assert backend.state(image) == "complete"


def test_a_removed_device_takes_its_pictures_along(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.add_device("second", 48, 80)
    image_id = backend.upload_photos(1)[0]
    backend.finish(backend.claim("run/0"))
    assert len(backend.objects("processed/second/")) == 1
    assert backend.admin.delete("/api/devices/second").json() == {"success": True}
    assert backend.sql("SELECT device_size FROM processed_images") == [("frame",)]
    assert backend.state(image_id) == "complete"
    assert backend.processor.post("/internal/tick").json()["removed_objects"] == 1
    assert backend.objects("processed/second/") == set()
    assert len(backend.objects("processed/frame/")) == 1
    assert len(backend.objects("images/originals/")) == 1
    problem(backend.admin.delete("/api/devices/second"), 404)


@pytest.mark.parametrize("name", ["frame", "100% of_it"])
def test_a_device_removed_by_mistake_and_made_again_keeps_its_pictures(
    backend: server.BackendServer, name: str
) -> None:
    backend.add_device(name)
    backend.add_device(f"{name} 2")
    backend.upload_photos(1)
    backend.finish(backend.claim("run/0"))
    for gone in (name, f"{name} 2"):
        backend.admin.delete(f"/api/devices/{quote(gone)}").raise_for_status()
    backend.add_device(name)
    (claimed,) = backend.claim("run/1")
    message = backend.render(claimed)
    # Between the task's finding the object there and its report, garbage is removed.
    assert backend.processor.post("/internal/tick").json()["removed_objects"] == 1
    assert report(backend, message) == {"inserted": 1}
    (entry,) = backend.admin.get(f"/api/devices/{quote(name)}/slideshow").json()["queue"]
    assert backend.anonymous.get(entry["url"]).status_code == 200
    assert len(backend.objects("processed/")) == 1


def test_removing_the_only_lacking_device_completes_what_waits(
    backend: server.BackendServer, frame: dict[str, Any]
) -> None:
    image_id = backend.upload_photos(1)[0]
    backend.finish(backend.claim("run/0"))
    backend.add_device("second", 48, 80)
    assert backend.state(image_id) == "pending"
    backend.admin.delete("/api/devices/second").raise_for_status()
    assert backend.state(image_id) == "complete"
    assert backend.claim("run/1") == []


def test_without_devices_a_claim_has_no_pictures_to_make(backend: server.BackendServer) -> None:
    image_id = backend.upload_photos(1)[0]
    (claimed,) = backend.claim("run/0")
    assert claimed["work"] == []
    report(backend, {"images": [], "outcomes": backend.render(claimed)["outcomes"]})
    assert backend.state(image_id) == "complete"  # colours and thumbnail were all there was to find
    backend.add_device("frame")
    assert backend.state(image_id) == "pending"
