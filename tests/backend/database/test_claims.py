"""Claims and leases: concurrency, expiry, retries, repetition, and the order of images."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from backend.database import claims, images, results
from tests.support.core_library import LEASE_SECONDS, Library, image_id

ROOT = Path(__file__).resolve().parents[3]


_CLAIMANT = """
import asyncio, sys
from backend.database import Database, claims
from contract.messages.processing import ClaimRequest

async def claimant(database, owner, shard, shards):
    mine = []
    while True:
        request = ClaimRequest(owner=owner, limit=7, shard=shard, shards=shards)
        token = f"{len(mine):x}".rjust(8, "0") + f"{shard:024x}"
        answer = await database.write(claims.claim, request, token, 1000.0, 60.0)
        if not answer.images:
            return mine
        mine += [image.id for image in answer.images]

async def main():
    database, first, shards = Database(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    work = [claimant(database, f"e/{first + n}", first + n, shards) for n in range(4)]
    for ids in await asyncio.gather(*work):
        print(*ids, flush=True)
    database.close()

asyncio.run(main())
"""


@pytest.mark.server
@pytest.mark.parametrize("number", [400, pytest.param(2000, marks=pytest.mark.long)])
def test_claim_from_four_processes_gives_each_image_to_one_task(library: Library, number: int) -> None:
    library.device("small")
    added = library.add(*range(number))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIMANT, library.url, str(4 * number_of_process), "16"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number_of_process in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [line.split() for process in processes for line in process.communicate(timeout=60)[0].splitlines()]
    finally:
        for process in processes:
            process.kill()
            process.wait(timeout=10)
    counted = Counter(image for ids in taken for image in ids)
    assert set(counted) == set(added)
    assert set(counted.values()) == {1}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert set(library.states().values()) == {"processing"}


def test_claim_prefers_never_rendered_then_own_shard_then_oldest(library: Library) -> None:
    library.device("small")
    ids = library.add(*range(40))
    shards = {image: images.shard_of(image) % 4 for image in ids}
    rendered = set(ids[:10])
    quoted = ", ".join(f"'{image}'" for image in rendered)
    library.by_hand(f"UPDATE images SET rendered_at = 1 WHERE id IN ({quoted})")
    order: list[str] = []
    while found := library.claim(at=100, limit=3, shard=2, shards=4).images:
        order += [image.id for image in found]
    positions = {image: position for position, image in enumerate(ids)}
    # One claim returns its images sorted by age, so the comparison is by the claim that returned an image.
    wanted = sorted(ids, key=lambda image: (image in rendered, shards[image] != 2, positions[image]))
    for start in range(0, 40, 3):
        assert sorted(order[start : start + 3], key=positions.__getitem__) == order[start : start + 3]
        assert set(order[start : start + 3]) == set(wanted[start : start + 3])


def test_claim_returns_lease_work_and_devices(library: Library) -> None:
    library.device("b-small", 800, 480)
    library.device("a-tall", 480, 800)
    (image,) = library.add(1)
    answer = library.claim("e/0", at=100)
    (claimed,) = answer.images
    assert (claimed.id, claimed.filename, claimed.suspect, claimed.attempt) == (image, "photo-1.jpg", False, 0)
    assert claimed.lease_until == 100 + LEASE_SECONDS
    assert [item.device for item in claimed.work] == ["a-tall", "b-small"]
    assert [device.key for device in answer.devices] == ["a-tall", "b-small"]
    assert 0 < answer.renew_seconds < answer.lease_seconds == LEASE_SECONDS


def test_claim_of_leased_image_succeeds_only_after_expiry(library: Library) -> None:
    library.device("small")
    library.add(1)
    first = library.claim("e/0", at=100).images[0]
    assert library.claim("e/1", at=100 + LEASE_SECONDS).images == ()
    second = library.claim("e/1", at=100 + LEASE_SECONDS + 0.1).images[0]
    assert second.id == first.id
    assert second.lease != first.lease
    assert library.write(claims.renew, [first.lease], 170.0, LEASE_SECONDS) == []
    assert library.write(claims.release, [first.lease]) == []
    assert library.write(claims.renew, [first.lease, second.lease], 170.0, LEASE_SECONDS) == [second.lease]
    assert library.image(first.id)["lease_until"] == 170 + LEASE_SECONDS


def test_renew_after_expiry_succeeds_while_the_image_is_unclaimed(library: Library) -> None:
    library.device("small")
    library.add(1)
    claimed = library.claim("e/0", at=100).images[0]
    assert library.write(claims.renew, [claimed.lease], 500.0, LEASE_SECONDS) == [claimed.lease]
    assert library.claim("e/1", at=501).images == ()


def test_free_expired_keeps_a_renewed_lease_until_its_new_end(library: Library) -> None:
    library.device("small")
    library.add(1)
    claimed = library.claim("e/0", at=100).images[0]
    library.write(claims.renew, [claimed.lease], 150.0, LEASE_SECONDS)
    assert library.write(claims.free_expired, 165.0, LEASE_SECONDS) == 0
    assert library.write(claims.free_expired, 211.0, LEASE_SECONDS) == 1
    assert library.states()[claimed.id] == "pending"


def test_free_expired_after_clock_was_set_back_shortens_leases(library: Library) -> None:
    library.device("small")
    library.add(1, 2)
    dead, living = library.claim("e/0", at=5000).images
    assert library.write(claims.free_expired, 1400.0, LEASE_SECONDS) == 0
    assert library.image(dead.id)["lease_until"] == 1400 + LEASE_SECONDS
    assert library.write(claims.renew, [living.lease], 1440.0, LEASE_SECONDS) == [living.lease]
    assert library.write(claims.free_expired, 1461.0, LEASE_SECONDS) == 1
    assert library.states() == {dead.id: "pending", living.id: "processing"}


@pytest.mark.parametrize(("owner", "attempt", "gets"), [("e/0", 1, 1), ("e/0", 0, 0), ("e/1", 1, 0), ("e/01", 9, 0)])
def test_claim_takes_leases_of_a_lower_attempt_of_the_same_owner_only(
    library: Library, owner: str, attempt: int, gets: int
) -> None:
    library.device("small")
    library.add(1)
    first = library.claim("e/0", attempt=0, at=100).images[0]
    found = library.claim(owner, attempt=attempt, at=101).images
    assert len(found) == gets
    held = library.write(claims.renew, [first.lease], 102.0, LEASE_SECONDS)
    assert held == ([] if gets else [first.lease])


def test_claim_of_a_retry_quarantines_only_images_with_an_open_attempt(library: Library) -> None:
    library.device("small")
    begun, waiting = library.add(1, 2)
    first = {image.id: image for image in library.claim("e/0", at=100).images}
    assert library.write(claims.start_attempt, begun, first[begun].lease, 101.0) == 1
    again = {image.id: image for image in library.claim("e/0", attempt=1, at=102).images}
    assert again[begun].suspect
    assert again[begun].attempt == 1
    assert not again[waiting].suspect
    assert again[waiting].attempt == 0


def test_claim_with_the_same_id_returns_the_same_leases(library: Library) -> None:
    library.device("small")
    library.add(*range(6))
    claim_id = "ab" * 16
    first = library.claim("e/0", at=100, limit=3, claim_id=claim_id)
    again = library.claim("e/0", at=101, limit=3, claim_id=claim_id)
    assert again == first
    assert Counter(library.states().values()) == {"processing": 3, "pending": 3}
    library.report(first.images[0], first, at=102)
    third = library.claim("e/0", at=103, limit=3, claim_id=claim_id)
    assert third.images == first.images[1:]
    assert library.claim("e/1", at=103, limit=50, claim_id=claim_id).images != ()


def test_claim_with_the_id_of_another_owner_returns_other_images(library: Library) -> None:
    library.device("small")
    library.add(*range(4))
    first = library.claim("e/0", at=100, limit=2, claim_id="ab" * 16).images
    second = library.claim("e/1", at=100, limit=2, claim_id="ab" * 16).images
    assert {image.id for image in first}.isdisjoint(image.id for image in second)
    assert len(first) == len(second) == 2


def test_free_owners_frees_leases_of_these_owners_only(library: Library) -> None:
    library.device("small")
    library.add(*range(6))
    for number in range(3):
        found = library.claim(f"e/{number}", at=100, limit=2).images
        library.write(claims.start_attempt, found[0].id, found[0].lease, 100.5)
    assert library.write(claims.free_owners, ["e/0", "e/2", "f/0"]) == 4
    assert Counter(library.states().values()) == {"pending": 4, "processing": 2}
    assert [image.suspect for image in library.claim("e/3", at=101).images].count(True) == 2
    assert library.write(claims.free_owners, []) == 0


def test_release_keeps_queue_position_and_does_not_quarantine(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1, at=50)
    claimed = library.claim(at=100).images[0]
    library.write(claims.start_attempt, image, claimed.lease, 101.0)
    assert library.write(claims.release, [claimed.lease, "unknown.token"]) == [claimed.lease]
    assert library.image(image)["queued_at"] == 50
    assert not library.claim(at=102).images[0].suspect


def test_start_attempt_repeated_counts_once(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    claimed = library.claim(at=100).images[0]
    assert library.image(image)["attempts"] == 0, "a claim is not an attempt"
    assert library.write(claims.start_attempt, image, claimed.lease, 101.0) == 1
    assert library.write(claims.start_attempt, image, claimed.lease, 102.0) == 1
    assert library.write(claims.start_attempt, image, "other.token", 102.0) is None
    assert library.write(claims.start_attempt, image_id(9), claimed.lease, 102.0) is None
    assert library.write(claims.start_attempt, image, None, 102.0) is None, "a task with a lease holds the image"


def test_start_attempt_without_lease_accepts_pending_and_legacy_images_only(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    assert library.write(claims.start_attempt, image, None, 100.0) == 1
    assert library.write(claims.start_attempt, image, None, 101.0) == 1
    assert library.claim(at=102).images == ()
    assert library.claim(at=101 + claims.LEGACY_LEASE_SECONDS + 1).images[0].suspect
    assert library.write(claims.start_attempt, image, None, 2000.0) is None


def test_manual_repair_frees_images_and_voids_their_leases(library: Library) -> None:
    library.device("small")
    library.add(1, 2, 3)
    answer = library.claim("e/0", at=100)
    changed = library.by_hand("UPDATE images SET processing_status='pending' WHERE processing_status='processing'")
    assert changed == 3
    before = library.everything()
    old = answer.images[0]
    assert library.write(claims.renew, [image.lease for image in answer.images], 101.0, 60.0) == []
    assert library.write(claims.release, [old.lease]) == []
    assert library.write(claims.start_attempt, old.id, old.lease, 101.0) is None
    assert library.write(results.fail, old.id, "broken", old.lease, crashed=False) is False
    stored, errors = library.report(old, answer, at=101)
    assert stored == 0
    assert "lease is lost" in errors[0].error
    assert library.everything() == before
    again = library.claim("e/1", at=102)
    assert len(again.images) == 3
    before = library.everything()
    assert library.report(old, answer, at=103)[0] == 0
    assert library.everything() == before


@pytest.mark.parametrize("library", ["sqlite"], indirect=True)  # PostgreSQL: see test_growth.py
def test_claim_uses_the_queue_index_and_scans_no_table(library: Library) -> None:
    library.device("small")
    library.add(*range(20))
    statements: list[tuple[str, object]] = []

    @sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
    def listen(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    try:
        library.claim("e/0", at=100, limit=2)
        library.claim("e/1", at=100, limit=50)  # with room left
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", listen)
    plans = [
        library.read(
            lambda connection, statement=statement, parameters=parameters: list(
                connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
            )
        )
        for statement, parameters in statements
        if "images" in statement and statement.startswith(("SELECT", "UPDATE"))
    ]
    steps = [str(row[3]) for plan in plans for row in plan]
    assert any("ix_images_queue (processing_status=?)" in step for step in steps), steps
    assert any("ix_images_turned (turned=?)" in step for step in steps), steps
    assert not [step for step in steps if step.startswith("SCAN images") or "MULTI-INDEX" in step], steps
