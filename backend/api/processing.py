"""What tasks call: claims and leases, attempts, results, failures. The given calls come first."""

from __future__ import annotations

import logging
import re
import secrets

import msgspec
from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.database import claims, images, results
from backend.http.errors import Conflict, NotFound
from backend.http.operations import Query, answer, operation, query_int
from backend.services import Services
from contract.messages.admin import Problem
from contract.messages.processing import (
    AttemptAnswer,
    AttemptStart,
    ClaimAnswer,
    ClaimRequest,
    Failure,
    ImageOutcome,
    LeaseAnswer,
    LeaseList,
    LegacyDevice,
    PendingImage,
    ProcessedAnswer,
    ProcessedImages,
    Success,
)
from contract.recipes import RENDERER_VERSION

log = logging.getLogger(__name__)

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")
MAX_PENDING = 50


async def known_image(services: Services, image_id: str) -> str:
    """The state of the image. Raises NotFound."""
    state = await services.database.read(images.state_of, image_id) if _IMAGE_ID.fullmatch(image_id) else None
    if state is None:
        raise NotFound(f"there is no image {image_id[:64]!r}")
    return state


class Pending:
    """`GET /api/processing/pending`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Pending images, never-rendered ones first, then oldest first",
        access=Access.PROCESSOR,
        answers={200: tuple[PendingImage, ...]},
        query=(Query("limit", int, "at most so many, up to 50"),),
    )
    async def on_get(self, req: Request, resp: Response) -> None:
        limit = min(query_int(req, "limit", MAX_PENDING, 1, 999_999_999), MAX_PENDING)
        answer(resp, await self.services.database.read(images.pending, limit))


class AttemptStarts:
    """`POST /api/processing-attempts/{image_id}/start`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Record that decoding of an image begins",
        access=Access.PROCESSOR,
        body=AttemptStart,
        answers={200: AttemptAnswer, 404: Problem, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, image_id: str, body: AttemptStart) -> None:
        begun = await self.services.database.write(claims.begin_attempt, image_id, body.lease, self.services.clock())
        if begun is None:
            state = await known_image(self.services, image_id)
            raise Conflict(f"image {image_id} is {state} and not yours to begin")
        attempt, devices = begun
        answer(
            resp,
            AttemptAnswer(
                attempt=attempt,
                devices=tuple(
                    LegacyDevice(
                        name=device.key or device.name,
                        width=device.width,
                        height=device.height,
                        orientation=device.orientation or "square",
                    )
                    for device in devices
                ),
            ),
        )


class Results:
    """`POST /api/processed-images`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Report variants, and what was found out about their images",
        access=Access.PROCESSOR,
        body=ProcessedImages,
        answers={200: ProcessedAnswer},
    )
    async def on_post(self, req: Request, resp: Response, body: ProcessedImages) -> None:
        services = self.services
        outcomes = [self._checked(outcome) for outcome in body.outcomes]
        stored, errors = await services.database.write(
            results.record, body.images, outcomes, services.path_validator.variant_uri, services.clock()
        )
        await services.record_writer.save([row.image_id for row in body.images] + [told.image_id for told in outcomes])
        services.metrics.results.labels("stored").inc(stored)
        services.metrics.results.labels("refused").inc(len(errors))
        if errors:
            log.warning("%d of %d result rows refused, the first: %s", len(errors), len(body.images), errors[0].error)
        answer(resp, ProcessedAnswer(inserted=stored, errors=tuple(errors)))

    def _checked(self, outcome: ImageOutcome) -> ImageOutcome:
        """The outcome with its thumbnail's address in stored form, or without one that lies elsewhere."""
        if outcome.thumbnail is None:
            return outcome
        try:
            uri = self.services.path_validator.thumbnail_uri(outcome.thumbnail.file_path)
        except ValueError as error:
            log.warning("thumbnail of %s refused: %s", outcome.image_id, error)
            return msgspec.structs.replace(outcome, thumbnail=None)
        return msgspec.structs.replace(outcome, thumbnail=msgspec.structs.replace(outcome.thumbnail, file_path=uri))


class Failures:
    """`PATCH /api/images/{image_id}/failed`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Report that an image cannot be rendered, or the death of a suspect's child",
        access=Access.PROCESSOR,
        body=Failure,
        answers={200: Success, 404: Problem, 409: Problem},
    )
    async def on_patch(self, req: Request, resp: Response, image_id: str, body: Failure) -> None:
        await known_image(self.services, image_id)
        counted = await self.services.database.write(results.fail, image_id, body.error, body.lease, strike=body.strike)
        if counted:
            await self.services.record_writer.save([image_id])
            self.services.metrics.failures.inc()
            log.warning("image %s %s: %s", image_id, "struck" if body.strike else "failed", body.error)
        elif body.lease is not None:
            raise Conflict(f"the lease on image {image_id} is lost; the report changed nothing")
        answer(resp, Success())


class Claims:
    """`POST /api/processing/claims`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Claim images to render; a repeated claim_id gives the same leases",
        access=Access.PROCESSOR,
        body=ClaimRequest,
        answers={200: ClaimAnswer, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: ClaimRequest) -> None:
        if body.renderer_version not in (None, RENDERER_VERSION):
            raise Conflict(
                f"this backend asks for renderer version {RENDERER_VERSION}, the task has {body.renderer_version}; "
                "deploy both programs from one version"
            )
        services = self.services
        claim_id = body.claim_id or secrets.token_hex(16)
        found = await services.database.write(
            claims.claim, body, claim_id, services.clock(), services.settings.lease_seconds
        )
        answer(resp, found)


class Renewals:
    """`POST /api/processing/claims/renew`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Renew leases; 409 when none of them holds",
        access=Access.PROCESSOR,
        body=LeaseList,
        answers={200: LeaseAnswer, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: LeaseList) -> None:
        services, now = self.services, self.services.clock()
        seconds = services.settings.lease_seconds
        held = await services.database.write(claims.renew, body.leases, now, seconds)
        answer(resp, lease_answer(body, held, now + seconds))


class Releases:
    """`POST /api/processing/claims/release`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Hand images back; 409 when none of the leases holds",
        access=Access.PROCESSOR,
        body=LeaseList,
        answers={200: LeaseAnswer, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: LeaseList) -> None:
        released = await self.services.database.write(claims.release, body.leases)
        answer(resp, lease_answer(body, released, 0.0))
        self.services.wake_up.set()


def lease_answer(asked: LeaseList, held: list[str], until: float) -> LeaseAnswer:
    """Which of the asked leases held. Raises Conflict if some were asked for and none did."""
    lost = tuple(token for token in asked.leases if token not in held)
    if lost and not held:
        raise Conflict("no such lease holds any more", held=[], lost=list(lost))
    return LeaseAnswer(held=tuple(held), lost=lost, lease_until=until)
