"""The backend's processing calls over HTTP: time limits on everything, retries for what passes.

Tried again, until `retry_seconds` are over: a connection that fails or breaks off, an answer that
is overdue, and the statuses 429 and 500 to 599, whose `Retry-After` is honoured within bounds. Every
call may safely arrive twice: claims carry an id, everything else a lease. All other statuses are
errors at once, by the tables of `processor.backend_api.status_codes`. Redirects are never followed, so the
token reaches the host that the settings name and no other.
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
    OF_A_TASK,
    OF_AN_IMAGE,
    StatusTable,
    error_of_status,
    error_of_transport,
    explained,
    refusal,
    retry_after,
)
from processor.errors import BackendRejected, BackendUnavailable, LeaseLost, VersionMismatch

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class BackendClient:
    """The calls of one task. Use as an async context manager, in one event loop.

    Every method raises the errors of `processor.errors.TaskError`, whose sentence names the call.
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
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),  # a proxy cannot reach our own host
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Images to work on. Raises VersionMismatch if the backend wants another renderer."""
        response = await self._call("POST", "/api/processing/claims", request, OF_A_TASK)
        return _decoded(response, ClaimAnswer)

    async def renew(self, leases: LeaseList, *, within: float) -> LeaseAnswer:
        """Prolong leases, trying for at most `within` seconds: later than that they are over anyway.

        A lease that is lost is no error here: the answer says which ones are.
        """
        return await self._leases("renew", leases, within)

    async def release(self, leases: LeaseList, *, within: float | None = None) -> LeaseAnswer:
        """Give images back unfinished, so that others may claim them at once."""
        return await self._leases("release", leases, within)

    async def start(self, image_id: str, start: AttemptStart) -> AttemptAnswer:
        """Record that decoding begins. Raises LeaseLost, ImageGone."""
        path = f"/api/processing-attempts/{image_id}/start"
        return _decoded(await self._call("POST", path, start, OF_AN_IMAGE), AttemptAnswer)

    async def report(self, results: ProcessedImages) -> ProcessedAnswer:
        """Hand in results; the answer names the rows that were refused."""
        response = await self._call("POST", "/api/processed-images", results, OF_AN_IMAGE)
        return _decoded(response, ProcessedAnswer)

    async def fail(self, image_id: str, failure: Failure) -> Success:
        """Say that an image cannot be rendered, and why. Raises LeaseLost, ImageGone."""
        path = f"/api/images/{image_id}/failed"
        return _decoded(await self._call("PATCH", path, failure, OF_AN_IMAGE), Success)

    async def _leases(self, what: str, leases: LeaseList, within: float | None) -> LeaseAnswer:
        path = f"/api/processing/claims/{what}"
        try:
            response = await self._call("POST", path, leases, OF_AN_IMAGE, within)
        except LeaseLost as error:
            # 409 says that at least one lease is lost. The body tells which; where it does not
            # (a lone lease, or a plain problem document) the question is put for each by itself.
            told = _lease_answer(error.body)
            if told is not None:
                return told
            if len(leases.leases) <= 1:
                return LeaseAnswer(held=(), lost=leases.leases)
            answers = [await self._leases(what, LeaseList(leases=(one,)), within) for one in leases.leases]
            return LeaseAnswer(
                held=tuple(lease for answer in answers for lease in answer.held),
                lost=tuple(lease for answer in answers for lease in answer.lost),
                lease_until=max(answer.lease_until for answer in answers),
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
                    on=_worth_another_try, attempts=None, timeout=limit, wait_initial=0.1, wait_max=5.0, wait_jitter=0.3
                ):
                    with attempt:
                        return await self._once(method, path, content, table)
        except TimeoutError:
            pass
        raise BackendUnavailable(f"the backend did not answer {method} {path} within {limit:.0f} seconds")

    async def _once(self, method: str, path: str, content: bytes, table: StatusTable) -> httpx.Response:
        call = f"{method} {path}"
        try:
            async with asyncio.timeout(self._request_seconds):
                response = await self._http.request(method, path, content=content)
        except TimeoutError as error:
            raise BackendUnavailable(f"the backend took too long to answer {call}") from error
        except httpx.HTTPError as error:
            kind = error_of_transport(error)
            reason = str(error) or type(error).__name__
            raise kind(f"the backend could not be asked {call}: {reason}; is BACKEND_API_URL right?") from error
        if response.is_success:
            return response
        kind = error_of_status(response.status_code, table)
        refused = kind(refusal(kind, call, f"{response.status_code}, {explained(response)}"))
        refused.status, refused.body = response.status_code, response.content
        if isinstance(refused, BackendUnavailable):
            refused.retry_after = response.headers.get("Retry-After")
        raise refused


def _worth_another_try(error: Exception) -> bool | float:
    """What stamina asks after each failure: no, yes, or yes after so many seconds."""
    if not isinstance(error, BackendUnavailable):
        return False
    wait = retry_after(error.retry_after, time.time())
    log.warning("%s; trying again", error)
    return True if wait is None else wait


def _lease_answer(body: bytes) -> LeaseAnswer | None:
    try:
        return msgspec.json.decode(body, type=LeaseAnswer)
    except DECODE_ERRORS:
        return None


def _decoded(response: httpx.Response, kind: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except DECODE_ERRORS as error:
        raise BackendRejected(
            f"the backend's answer to {response.request.method} {response.request.url.path} is not "
            f"what this version understands ({error}); {HINTS[VersionMismatch]}"
        ) from error
