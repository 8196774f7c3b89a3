"""Health, readiness, metrics and the OpenAPI document."""

from __future__ import annotations

import logging

import msgspec
from falcon.asgi import Request, Response
from msgspec import Struct

from backend.api.openapi import document
from backend.api.operations import Resource, operation, send_json
from backend.auth.access import Access
from backend.database import executions, images
from backend.http.errors import ServiceUnavailable
from backend.services import Services
from contract.bucket.port import BucketError
from contract.messages.admin import Problem

log = logging.getLogger(__name__)


class Health(Struct, frozen=True):
    """The response of a healthy process."""

    status: str
    device_auth: str


class HealthResource(Resource):
    """`GET /_health`: the process responds."""

    @operation("Check that the process responds", access=Access.PUBLIC, responses={200: Health})
    async def on_get(self, req: Request, resp: Response) -> None:
        send_json(resp, Health("ok", self.services.settings.device_auth))


class Live(Resource):
    """`GET /_live`: this process need not be replaced. Unlike `/_health`, it fails once another backend is active."""

    @operation(
        "Check that this process need not be replaced", access=Access.PUBLIC, responses={200: Health, 503: Problem}
    )
    async def on_get(self, req: Request, resp: Response) -> None:
        self.services.serving_state.require_live()
        send_json(resp, Health("live", self.services.settings.device_auth))


class Ready(Resource):
    """`GET /_ready`: database and bucket respond."""

    @operation("Check that database and bucket respond", access=Access.PUBLIC, responses={200: Health, 503: Problem})
    async def on_get(self, req: Request, resp: Response) -> None:
        self.services.serving_state.require_loaded()
        try:
            await self.services.database.read(images.queue_load)
            await self.services.in_bucket(self.services.bucket.probe)
        except BucketError as error:
            # Everybody may call this, so the answer does not contain the bucket's name or folder.
            log.error("not ready: the bucket does not respond: %s", error)
            raise ServiceUnavailable("the bucket does not respond; the server's log contains the reason") from error
        send_json(resp, Health("ready", self.services.settings.device_auth))


class MetricsResource(Resource):
    """`GET /metrics`."""

    @operation("Metrics in the Prometheus text format", access=Access.METRICS, responses={200: None})
    async def on_get(self, req: Request, resp: Response) -> None:
        services, metrics = self.services, self.services.metrics
        for state, count in (await services.database.read(images.counts)).items():
            metrics.images.labels(state).set(count)
        first = (await services.database.read(images.queue_load)).first_at
        metrics.oldest_pending.set(0 if first is None else max(0.0, services.clock() - first))
        metrics.variants.set((await services.database.read(images.variant_counts, 0.0))[0])
        metrics.executions.set(len(await services.database.read(executions.unfinished)))
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.data = metrics.text()


class OpenApi(Resource):
    """`GET /openapi.json`."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.routes: dict[str, object] = {}
        self._document: bytes | None = None

    @operation("Get this document", access=Access.PUBLIC, responses={200: None})
    async def on_get(self, req: Request, resp: Response) -> None:
        if self._document is None:  # generating it takes tens of milliseconds, and it never changes
            self._document = msgspec.json.encode(document(self.routes))
        resp.content_type = "application/json"
        resp.data = self._document
