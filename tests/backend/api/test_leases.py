"""Claims and leases over real HTTP: assignment, renewal, release and expiry."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

import pytest

from tests.support import server
from tests.support.server import problem
from tests.support.task_calls import expire, record, report, start

pytestmark = pytest.mark.server


def test_claim_repeated_id_returns_the_same_leases(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.upload_photos(6)
    claim_id = secrets.token_hex(16)
    first = backend.claim("run/0", limit=3, claimId=claim_id)
    assert len(first) == 3
    assert backend.claim("run/0", limit=3, claimId=claim_id) == first
    assert len(backend.claim("run/0", limit=50)) == 3  # without an id, or with another one, it is a new claim
    assert backend.claim("run/0", limit=3, claimId=claim_id) == first
    backend.finish(first[:1])
    assert backend.claim("run/0", limit=3, claimId=claim_id) == first[1:]


def test_claim_id_of_another_owner_returns_other_leases(backend: server.BackendServer, image: str) -> None:
    claim_id = secrets.token_hex(16)
    assert len(backend.claim("run/0", claimId=claim_id)) == 1
    assert backend.claim("run/1", claimId=claim_id) == []


def test_claim_concurrent_owners_share_no_image(backend: server.BackendServer, frame: dict[str, Any]) -> None:
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


def test_claim_prefers_the_own_shard(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    uploaded = backend.upload_photos(16)
    mine = [image_id for image_id in uploaded if int(image_id[:7], 16) % 2 == 1]
    assert 0 < len(mine) < 16
    first = backend.claim("run/1", limit=len(mine), shard=1, shards=2)
    assert sorted(entry["id"] for entry in first) == sorted(mine)
    rest = backend.claim("run/1", limit=50, shard=1, shards=2)
    assert sorted(entry["id"] for entry in rest) == sorted(set(uploaded) - set(mine))


def test_claim_higher_attempt_takes_over_the_leases(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0", attempt=0)
    assert backend.claim("run/1", attempt=5) == []
    assert backend.claim("run/0", attempt=0) == []
    (second,) = backend.claim("run/0", attempt=1)
    assert second["id"] == image
    assert second["lease"] != first["lease"]
    assert second["suspect"] is False  # no attempt had begun
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": [first["lease"]]}), 409)
    assert backend.claim("run/0", attempt=0) == []  # the earlier attempt, still running, gets no lease


def test_renew_extends_held_leases(backend: server.BackendServer, frame: dict[str, Any]) -> None:
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


def test_release_makes_images_claimable(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    start(backend, claimed)
    leases = {"leases": [claimed["lease"]]}
    assert backend.processor.post("/api/processing/claims/release", json=leases).json()["held"] == [claimed["lease"]]
    assert backend.state(image) == "pending"
    problem(backend.processor.post("/api/processing/claims/release", json=leases), 409)
    (again,) = backend.claim("run/1")
    assert again["suspect"] is False  # it was released in order


def test_lease_expired_is_claimable_by_others(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0")
    expire(backend)
    (second,) = backend.claim("run/1")
    assert second["id"] == image
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": [first["lease"]]}), 409)


def test_tick_resets_expired_leases_to_pending(backend: server.BackendServer, image: str) -> None:
    backend.claim("run/0")
    expire(backend)
    assert backend.processor.post("/internal/tick").json()["freed_leases"] == 1
    assert backend.state(image) == "pending"


def test_report_under_a_lost_lease_changes_nothing(backend: server.BackendServer, image: str) -> None:
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


def test_repair_by_sql_makes_images_claimable(backend: server.BackendServer, frame: dict[str, Any]) -> None:
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
