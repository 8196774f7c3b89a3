"""Operator calls: read the status, start a job, import sidecars, retry photos, do the periodic work."""

from __future__ import annotations

import math

from falcon.asgi import Request, Response

from backend.api.operations import Query, Resource, operation, send_json
from backend.auth.access import Access
from backend.database import devices, executions, images
from backend.database.throughput import work_rate
from backend.http.errors import Conflict, UnprocessableEntity
from backend.periodic import TickReport, run_periodic_work
from contract.messages.admin import FlushAnswer, Problem, RetryAnswer, RetryRequest, Status, SyncReport

SHOWN_EXECUTIONS = 50


class StatusResource(Resource):
    """`GET /api/admin/status`."""

    @operation(
        "Status of the system",
        access=Access.ADMIN,
        responses={200: Status},
        query=(
            Query(
                "since",
                float,
                "start of the period whose renderings and ended executions are reported, in seconds since the epoch",
            ),
        ),
    )
    async def on_get(self, req: Request, resp: Response) -> None:
        text = req.get_param("since") or "0"
        try:
            since = float(text)
            if not math.isfinite(since):
                raise ValueError(text)
        except ValueError:
            raise UnprocessableEntity("since: expected a time in seconds since the epoch") from None
        database = self.services.database
        total, recent = await database.read(images.variant_counts, since)
        send_json(
            resp,
            Status(
                images=await database.read(images.counts),
                variants=total,
                rendered_since=recent,
                devices=await database.read(devices.count),
                executions=await database.read(executions.recent, SHOWN_EXECUTIONS, since),
                device_auth=self.services.settings.device_auth,
                bucket=self.services.bucket.url,
                last_error=self.services.last_error,
                work_rate=await database.read(work_rate),
            ),
        )


class Flush(Resource):
    """`POST /api/admin/flush`."""

    @operation("Start the job for the pending photos now", access=Access.ADMIN, responses={200: FlushAnswer})
    async def on_post(self, req: Request, resp: Response) -> None:
        name, reason = await self.services.queue.dispatch_if_due(self.services.clock(), forced=True)
        send_json(resp, FlushAnswer(execution=name, reason=reason))


class Sync(Resource):
    """`POST /api/admin/sync`."""

    @operation(
        "Import and archive the waiting sidecars now", access=Access.ADMIN, responses={200: SyncReport, 409: Problem}
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        report = await self.services.sidecar_sync.run(self.services.clock())
        if report is None:
            raise Conflict("another sync is running; try again when it has ended")
        send_json(resp, report)


class Retry(Resource):
    """`POST /api/admin/retry`."""

    @operation(
        "Put failed, stuck or listed photos back into the queue",
        access=Access.ADMIN,
        body=RetryRequest,
        responses={200: RetryAnswer},
    )
    async def on_post(self, req: Request, resp: Response, body: RetryRequest) -> None:
        retried = await self.services.database.write(images.retry, body, self.services.clock())
        await self.services.record_writer.save(retried)
        self.services.wake_up.set()
        send_json(resp, RetryAnswer(retried=len(retried)))


class Tick(Resource):
    """`POST /internal/tick`, called by Cloud Scheduler."""

    @operation("Do the periodic work that is due", access=Access.TICK, responses={200: TickReport})
    async def on_post(self, req: Request, resp: Response) -> None:
        send_json(resp, await run_periodic_work(self.services))
