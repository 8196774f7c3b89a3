"""Whether it lives, whether it can work, and numbers about both."""

from __future__ import annotations

import msgspec
from falcon.asgi import Request, Response
from msgspec import Struct

from backend.auth.access import Access
from backend.database import executions, images
from backend.http.errors import ServiceUnavailable
from backend.http.openapi import document
from backend.http.operations import answer, operation
from backend.services import Services
from contract.bucket.port import BucketError
from contract.messages.admin import Problem


class Health(Struct, frozen=True):
    """The answer of a process that lives."""

    status: str
    device_auth: str


class HealthResource:
    """`GET /_health`: this process answers."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("Whether the process lives", access=Access.PUBLIC, answers={200: Health})
    async def on_get(self, req: Request, resp: Response) -> None:
        answer(resp, Health("ok", self.services.settings.device_auth))


class Ready:
    """`GET /_ready`: database and bucket answer."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("Whether database and bucket answer", access=Access.PUBLIC, answers={200: Health, 503: Problem})
    async def on_get(self, req: Request, resp: Response) -> None:
        self.services.serving_state.require_loaded()
        try:
            await self.services.database.read(images.queue_load)
            await self.services.in_bucket(self.services.bucket.probe)
        except BucketError as error:
            raise ServiceUnavailable(f"the bucket does not answer: {error}") from error
        answer(resp, Health("ready", self.services.settings.device_auth))


class MetricsResource:
    """`GET /metrics`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("Numbers in the Prometheus text format", access=Access.METRICS, answers={200: None})
    async def on_get(self, req: Request, resp: Response) -> None:
        services, metrics = self.services, self.services.metrics
        for state, number in (await services.database.read(images.counts)).items():
            metrics.images.labels(state).set(number)
        first = (await services.database.read(images.queue_load)).first_at
        metrics.oldest_pending.set(0 if first is None else max(0.0, services.clock() - first))
        metrics.variants.set((await services.database.read(images.variant_counts, 0.0))[0])
        metrics.executions.set(len(await services.database.read(executions.unfinished)))
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.data = metrics.page()


class OpenApi:
    """`GET /openapi.json`."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.routes: dict[str, object] = {}
        self._document: bytes | None = None

    @operation("This document", access=Access.PUBLIC, answers={200: None})
    async def on_get(self, req: Request, resp: Response) -> None:
        if self._document is None:  # it takes tens of milliseconds and never changes
            self._document = msgspec.json.encode(document(self.routes))
        resp.content_type = "application/json"
        resp.data = self._document
