"""Call the processing API of the backend over HTTP, with time limits on all calls and retries for transient errors.

Retried until `retry_seconds` are over: a connection that fails or breaks off, a response that
is overdue, and the statuses 429 and 500 to 599, whose `Retry-After` is applied within bounds. Every
call may safely arrive twice: claims have an id, all others a lease. All other statuses raise an error
at once, by the tables of `processor.backend_api.status_codes`. Redirects are never followed, so the
token is sent only to the host in the settings.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec
import stamina

from contract.messages import DECODE_ERRORS
from contract.messages.processing import (
    AttemptAnswer,
    AttemptStart,
    ClaimAnswer,
    ClaimRequest,
    Failure,
    LeaseAnswer,
    LeaseList,
    ProcessedAnswer,
    ProcessedImages,
    Success,
)
from processor.backend_api.status_codes import (
    HINTS,
    IMAGE_CALLS,
    TASK_CALLS,
    StatusTable,
    error_of_status,
    error_of_transport,
    explained,
    rejection_message,
    retry_after,
)
from processor.errors import BackendRejected, BackendUnavailable, LeaseLost, VersionMismatch

log = logging.getLogger(__name__)

Message = TypeVar("Message")


class BackendClient:
    """The calls of one task. Use it as an async context manager, in one event loop.

    Every method raises the subclasses of `processor.errors.TaskError`, whose messages name the call.
    """

    def __init__(
        self, base_url: str, token: str, *, retry_seconds: float = 60.0, request_seconds: float = 20.0
    ) -> None:
        host = httpx.URL(base_url).host
        self._retry_seconds = retry_seconds
        self._request_seconds = request_seconds
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=httpx.Timeout(request_seconds, connect=min(5.0, request_seconds)),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=16),
            follow_redirects=False,
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),  # a proxy cannot reach this host
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Claim images. Raises VersionMismatch if the backend needs another version of the renderer."""
        response = await self._call("POST", "/api/processing/claims", request, TASK_CALLS)
        return _decoded(response, ClaimAnswer)

    async def renew(self, leases: LeaseList, *, within: float) -> LeaseAnswer:
        """Renew leases, with retries for at most `within` seconds, because after that the leases have ended.

        A lost lease raises no error; the response lists the lost leases.
        """
        return await self._leases("renew", leases, within)

    async def release(self, leases: LeaseList, *, within: float | None = None) -> LeaseAnswer:
        """Return unfinished images, so that other tasks can claim them at once."""
        return await self._leases("release", leases, within)

    async def start(self, image_id: str, start: AttemptStart) -> AttemptAnswer:
        """Record that an attempt begins. Raises LeaseLost, ImageGone."""
        path = f"/api/processing-attempts/{image_id}/start"
        return _decoded(await self._call("POST", path, start, IMAGE_CALLS), AttemptAnswer)

    async def report(self, results: ProcessedImages) -> ProcessedAnswer:
        """Report results; the response lists the rejected rows."""
        response = await self._call("POST", "/api/processed-images", results, IMAGE_CALLS)
        return _decoded(response, ProcessedAnswer)

    async def fail(self, image_id: str, failure: Failure) -> Success:
        """Report that an image cannot be rendered, and why. Raises LeaseLost, ImageGone."""
        path = f"/api/images/{image_id}/failed"
        return _decoded(await self._call("PATCH", path, failure, IMAGE_CALLS), Success)

    async def _leases(self, action: str, leases: LeaseList, within: float | None) -> LeaseAnswer:
        path = f"/api/processing/claims/{action}"
        try:
            response = await self._call("POST", path, leases, IMAGE_CALLS, within)
        except LeaseLost as error:
            # 409: at least one lease is lost. The body may list which; if it does not
            # (a single lease, or a plain problem document), each lease is sent in a call of its own.
            listed = _lease_answer(error.body)
            if listed is not None:
                return listed
            if len(leases.leases) <= 1:
                return LeaseAnswer(held=(), lost=leases.leases)
            responses = [await self._leases(action, LeaseList(leases=(lease,)), within) for lease in leases.leases]
            return LeaseAnswer(
                held=tuple(lease for part in responses for lease in part.held),
                lost=tuple(lease for part in responses for lease in part.lost),
                lease_until=max(part.lease_until for part in responses),
            )
        return _decoded(response, LeaseAnswer)

    async def _call(
        self, method: str, path: str, body: msgspec.Struct, table: StatusTable, within: float | None = None
    ) -> httpx.Response:
        content = msgspec.json.encode(body)
        limit = self._retry_seconds if within is None else min(within, self._retry_seconds)
        try:
            async with asyncio.timeout(limit + (self._request_seconds if within is None else 0.0)):
                async for attempt in stamina.retry_context(
                    on=_retry_delay, attempts=None, timeout=limit, wait_initial=0.1, wait_max=5.0, wait_jitter=0.3
                ):
                    with attempt:
                        return await self._once(method, path, content, table)
        except TimeoutError:
            pass
        raise BackendUnavailable(f"the backend did not respond to {method} {path} within {limit:.0f} seconds")

    async def _once(self, method: str, path: str, content: bytes, table: StatusTable) -> httpx.Response:
        call = f"{method} {path}"
        try:
            async with asyncio.timeout(self._request_seconds):
                response = await self._http.request(method, path, content=content)
        except TimeoutError as error:
            raise BackendUnavailable(f"the backend took too long to respond to {call}") from error
        except httpx.HTTPError as error:
            kind = error_of_transport(error)
            reason = str(error) or type(error).__name__
            raise kind(f"{call} did not reach the backend: {reason}; check BACKEND_API_URL") from error
        if response.is_success:
            return response
        kind = error_of_status(response.status_code, table)
        rejected = kind(rejection_message(kind, call, f"{response.status_code}, {explained(response)}"))
        rejected.status, rejected.body = response.status_code, response.content
        if isinstance(rejected, BackendUnavailable):
            rejected.retry_after = response.headers.get("Retry-After")
        raise rejected


def _retry_delay(error: Exception) -> bool | float:
    """Decide for stamina after an error: False for no retry, True for one, or seconds to wait before it."""
    if not isinstance(error, BackendUnavailable):
        return False
    wait = retry_after(error.retry_after, time.time())
    log.warning("retrying: %s", error)
    return True if wait is None else wait


def _lease_answer(body: bytes) -> LeaseAnswer | None:
    try:
        return msgspec.json.decode(body, type=LeaseAnswer)
    except DECODE_ERRORS:
        return None


def _decoded(response: httpx.Response, kind: type[Message]) -> Message:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except DECODE_ERRORS as error:
        raise BackendRejected(
            f"this version cannot read the response to {response.request.method} {response.request.url.path} "
            f"({error}); {HINTS[VersionMismatch]}"
        ) from error
