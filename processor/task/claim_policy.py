"""When a task claims, and how much: the decisions, apart from the doing. Pure."""

from __future__ import annotations

from contract.messages.processing import ClaimRequest
from contract.recipes import RENDERER_VERSION
from processor.settings import Settings

DRAIN_SECONDS = 6.0
"""After a stop signal: Cloud Run kills 10 seconds after SIGTERM, and handing back takes its time as well."""
HAND_BACK_SECONDS = 2.0
DRY_SECONDS = 0.3
MAX_TRANSIENT_ERRORS = 6
MAX_CLAIM = 50
"""The most images that one claim may ask for."""


def claim_room(under_way: int, threads: int) -> int:
    """How many images to claim while `under_way` are: none while enough are ready, else a small batch.

    Few at a time, because what this task holds is kept from idle ones.
    """
    room = 2 * threads + 4 - under_way
    return min(room, 2 * threads, MAX_CLAIM) if room >= min(threads, 4) else 0


def claiming_ends_before(timeout_seconds: float) -> float:
    """How long before its time limit a task stops claiming, in seconds: to end what it has."""
    return min(45.0, timeout_seconds / 3)


def pause_after(passing_faults: int) -> float:
    """Seconds without a claim after so many passing faults in a row."""
    return min(5.0, 0.1 * 2.0**passing_faults) if passing_faults else 0.0


def claim_request(settings: Settings, limit: int, claim_id: str) -> ClaimRequest:
    """A claim of this task for at most `limit` images; the same `claim_id` again asks for the same ones."""
    return ClaimRequest(
        owner=settings.owner,
        attempt=settings.task_attempt,
        shard=settings.task_index,
        shards=settings.task_count,
        limit=limit,
        claim_id=claim_id,
        renderer_version=RENDERER_VERSION,
    )
