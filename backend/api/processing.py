"""Calls of the processor tasks: attempts, results and failures (legacy API first), then claims and leases."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Iterable
from typing import Annotated

import msgspec
from falcon.asgi import Request, Response
from msgspec import Meta

from backend.api.operations import Query, Resource, operation, query_int, send_json
from backend.auth.access import Access
from backend.database import claims, images, results
from backend.http.errors import Conflict, NotFound
from backend.services import Services
from contract.bucket.port import ObjectNotFound
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
    ProcessedImage,
    ProcessedImages,
    Success,
)
from contract.recipes import RENDERER_VERSION

log = logging.getLogger(__name__)

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")
MAX_PENDING = 50

ReportedName = tuple[str, str, str]
"""The path, the device key and the image id of a reported row."""


async def state_of_image(services: Services, image_id: str) -> str:
    """Return the processing state of the image. Raises NotFound."""
    state = await services.database.read(images.state_of, image_id) if _IMAGE_ID.fullmatch(image_id) else None
    if state is None:
        raise NotFound(f"there is no image {image_id[:64]!r}")
    return state


class Pending(Resource):
    """`GET /api/processing/pending`."""

    @operation(
        "List pending images: never-rendered ones first, then oldest first",
        access=Access.PROCESSOR,
        responses={200: tuple[PendingImage, ...]},
        query=(
            Query(
                "limit", Annotated[int, Meta(ge=1, le=999_999_999)], "maximum number of images; at most 50 are returned"
            ),
        ),
    )
    async def on_get(self, req: Request, resp: Response) -> None:
        limit = min(query_int(req, "limit", MAX_PENDING, 1, 999_999_999), MAX_PENDING)
        send_json(resp, await self.services.database.read(images.pending, limit))


class AttemptStarts(Resource):
    """`POST /api/processing-attempts/{image_id}/start`."""

    @operation(
        "Record that an attempt begins to decode an image",
        access=Access.PROCESSOR,
        body=AttemptStart,
        responses={200: AttemptAnswer, 404: Problem, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, image_id: str, body: AttemptStart) -> None:
        begun = await self.services.database.write(claims.begin_attempt, image_id, body.lease, self.services.clock())
        if begun is None:
            state = await state_of_image(self.services, image_id)
            raise Conflict(f"image {image_id} is {state} and cannot be started with this request; claim it first")
        attempt, devices = begun
        send_json(
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
                    if device.panel is None or body.lease is not None  # the legacy client renders JPEG only
                ),
            ),
        )


class Results(Resource):
    """`POST /api/processed-images`."""

    @operation(
        "Report rendered variants and the metadata of their images",
        access=Access.PROCESSOR,
        body=ProcessedImages,
        responses={200: ProcessedAnswer},
    )
    async def on_post(self, req: Request, resp: Response, body: ProcessedImages) -> None:
        services = self.services
        outcomes = [self._validated(outcome) for outcome in body.outcomes]
        uris, outcomes = await self._existing(self._uris_of(body.images), outcomes)

        def object_uri(path: str, device_key: str, image_id: str) -> str:
            uri = uris[path, device_key, image_id]
            if isinstance(uri, ValueError):
                raise uri
            return uri

        stored, errors = await services.database.write(
            results.record, body.images, outcomes, object_uri, services.clock()
        )
        await services.record_writer.save(
            [row.image_id for row in body.images] + [outcome.image_id for outcome in outcomes]
        )
        services.metrics.results.labels("stored").inc(stored)
        services.metrics.results.labels("refused").inc(len(errors))
        if errors:
            log.warning("%d of %d result rows rejected, the first: %s", len(errors), len(body.images), errors[0].error)
        send_json(resp, ProcessedAnswer(inserted=stored, errors=tuple(errors)))

    def _validated(self, outcome: ImageOutcome) -> ImageOutcome:
        """Return the outcome with its thumbnail's normalised URI, or without a thumbnail that it may not have."""
        if outcome.thumbnail is None:
            return outcome
        try:
            uri = self.services.path_validator.thumbnail_uri(outcome.thumbnail.file_path, outcome.image_id)
        except ValueError as error:
            log.warning("thumbnail of %s rejected: %s", outcome.image_id, error)
            return msgspec.structs.replace(outcome, thumbnail=None)
        return msgspec.structs.replace(outcome, thumbnail=msgspec.structs.replace(outcome.thumbnail, file_path=uri))

    def _uris_of(self, rows: Iterable[ProcessedImage]) -> dict[ReportedName, str | ValueError]:
        """Return the URI of each reported name, or why the row may not have it."""
        uris: dict[ReportedName, str | ValueError] = {}
        for row in rows:
            name = (row.file_path, row.device_size, row.image_id)
            legacy = row.lease is None and row.recipe is None
            try:
                uris.setdefault(name, self.services.path_validator.variant_uri(*name, legacy=legacy))
            except ValueError as error:
                uris[name] = error
        return uris

    async def _existing(
        self, uris: dict[ReportedName, str | ValueError], outcomes: list[ImageOutcome]
    ) -> tuple[dict[ReportedName, str | ValueError], list[ImageOutcome]]:
        """Replace the URIs of objects that do not exist by errors, and remove thumbnails that do not exist.

        A frame would get 404 for such a picture, and its photo would be complete, so that no task repairs it.
        """
        services = self.services
        thumbnails = {outcome.thumbnail.file_path for outcome in outcomes if outcome.thumbnail is not None}
        reported = sorted({uri for uri in uris.values() if isinstance(uri, str)} | thumbnails)
        names = [services.path_validator.name(uri) for uri in reported]
        stats = await asyncio.gather(
            *(services.in_bucket(services.bucket.stat, name) for name in names), return_exceptions=True
        )
        missing = set()
        for uri, stat in zip(reported, stats, strict=True):
            if isinstance(stat, ObjectNotFound):
                missing.add(uri)
            elif isinstance(stat, BaseException):
                raise stat
        if missing:
            log.warning("%d reported objects do not exist, the first: %s", len(missing), min(missing))
        gone = ValueError("the object does not exist in the bucket; store it before the report")
        return (
            {name: gone if uri in missing else uri for name, uri in uris.items()},
            [
                msgspec.structs.replace(outcome, thumbnail=None)
                if outcome.thumbnail is not None and outcome.thumbnail.file_path in missing
                else outcome
                for outcome in outcomes
            ],
        )


class Failures(Resource):
    """`PATCH /api/images/{image_id}/failed`."""

    @operation(
        "Report that an image cannot be rendered, or that its sandbox process crashed",
        access=Access.PROCESSOR,
        body=Failure,
        responses={200: Success, 404: Problem, 409: Problem},
    )
    async def on_patch(self, req: Request, resp: Response, image_id: str, body: Failure) -> None:
        await state_of_image(self.services, image_id)
        counted = await self.services.database.write(
            results.fail, image_id, body.error, body.lease, crashed=body.strike
        )
        if counted:
            await self.services.record_writer.save([image_id])
            self.services.metrics.failures.inc()
            log.warning("image %s %s: %s", image_id, "crashed its sandbox" if body.strike else "failed", body.error)
        elif body.lease is not None:
            raise Conflict(f"the lease on image {image_id} has expired; the report was ignored")
        send_json(resp, Success())


class Claims(Resource):
    """`POST /api/processing/claims`."""

    @operation(
        "Claim images to render; a repeated claim_id returns the same leases",
        access=Access.PROCESSOR,
        body=ClaimRequest,
        responses={200: ClaimAnswer, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: ClaimRequest) -> None:
        if body.renderer_version not in (None, RENDERER_VERSION):
            raise Conflict(
                f"this backend requires renderer version {RENDERER_VERSION}, the task has {body.renderer_version}; "
                "deploy both programs from the same version"
            )
        services = self.services
        claim_id = body.claim_id or secrets.token_hex(16)
        claimed = await services.database.write(
            claims.claim, body, claim_id, services.clock(), services.settings.lease_seconds
        )
        send_json(resp, claimed)


class Renewals(Resource):
    """`POST /api/processing/claims/renew`."""

    @operation(
        "Renew leases; 409 if none of them is held",
        access=Access.PROCESSOR,
        body=LeaseList,
        responses={200: LeaseAnswer, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: LeaseList) -> None:
        services, now = self.services, self.services.clock()
        seconds = services.settings.lease_seconds
        held = await services.database.write(claims.renew, body.leases, now, seconds)
        send_json(resp, lease_answer(body, held, now + seconds))


class Releases(Resource):
    """`POST /api/processing/claims/release`."""

    @operation(
        "Release images; 409 if none of the leases is held",
        access=Access.PROCESSOR,
        body=LeaseList,
        responses={200: LeaseAnswer, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: LeaseList) -> None:
        released = await self.services.database.write(claims.release, body.leases)
        send_json(resp, lease_answer(body, released, 0.0))
        self.services.wake_up.set()


def lease_answer(request: LeaseList, held: list[str], until: float) -> LeaseAnswer:
    """Return which leases of the request are held. Raises Conflict if there are some, and none is."""
    lost = tuple(token for token in request.leases if token not in held)
    if lost and not held:
        raise Conflict("none of these leases is held any more", held=[], lost=list(lost))
    return LeaseAnswer(held=tuple(held), lost=lost, lease_until=until)
