"""The backend's processing calls over HTTP: time limits on everything, retries for what passes.

Tried again, until `retry_seconds` are over: a connection that fails or breaks off, an answer
that is overdue, and the statuses 429, 502, 503 and 504, whose `Retry-After` is honoured within
bounds. Every call may safely arrive twice: claims carry an id, everything else a lease.
All other statuses are errors at once, by the tables below. Redirects are never followed,
so the token reaches the host that the settings name and no other.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec
import stamina

from contract.messages import (
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
from processor.errors import (
    BackendDenied,
    BackendRejected,
    BackendUnavailable,
    ImageGone,
    LeaseLost,
    TaskError,
    VersionMismatch,
)

log = logging.getLogger(__name__)

LONGEST_RETRY_AFTER = 20.0
SHORTEST_RETRY_AFTER = 0.1

Answer = TypeVar("Answer")
StatusTable = Mapping[int, type[TaskError]]

_EVERYWHERE: dict[int, type[TaskError]] = {
    401: BackendDenied,
    403: BackendDenied,
    429: BackendUnavailable,
    502: BackendUnavailable,
    503: BackendUnavailable,
    504: BackendUnavailable,
}
OF_AN_IMAGE: StatusTable = {**_EVERYWHERE, 404: ImageGone, 409: LeaseLost}
"""What a status means in answer to a call about one image."""
OF_A_TASK: StatusTable = {**_EVERYWHERE, 409: VersionMismatch}
"""What a status means in answer to a call of the task as a whole. What no table holds is BackendRejected."""

OF_TRANSPORT: tuple[tuple[type[httpx.HTTPError], type[TaskError]], ...] = (
    (httpx.UnsupportedProtocol, BackendRejected),
    (httpx.LocalProtocolError, BackendRejected),
    (httpx.TransportError, BackendUnavailable),
    (httpx.HTTPError, BackendRejected),
)
"""What a failure of the connection means; the first that fits counts."""


def error_of_transport(error: httpx.HTTPError) -> type[TaskError]:
    """Our error for one of httpx."""
    return next(ours for theirs, ours in OF_TRANSPORT if isinstance(error, theirs))


def error_of_status(status: int, table: StatusTable) -> type[TaskError]:
    """Our error for a status that is not 2xx."""
    return table.get(status, BackendRejected)


def retry_after(header: str | None, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for, within bounds; None if it says nothing usable.

    `now` is the epoch time that a date is compared with (RFC 9110, section 10.2.3).
    """
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except ValueError:
            return None
    return min(max(seconds, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)


class _Explanation(msgspec.Struct):
    """The part of an error's body that a person wants to read."""

    detail: str = ""
    error: str = ""


def _explained(response: httpx.Response) -> str:
    try:
        body = msgspec.json.decode(response.content, type=_Explanation)
        said = body.error or body.detail
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = ""
    return said[:500] or response.reason_phrase or "no reason given"


_HINTS: dict[type[TaskError], str] = {
    BackendDenied: "BACKEND_AUTH_TOKEN of the processor and PROCESSOR_AUTH_TOKEN of the backend must be the same secret",
    VersionMismatch: "deploy the backend and the processor from the same version",
}


def _sentence(kind: type[TaskError], call: str, reason: str) -> str:
    hint = _HINTS.get(kind)
    return f"the backend did not accept {call}: {reason}" + (f"; {hint}" if hint else "")


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
        refused = kind(_sentence(kind, call, f"{response.status_code}, {_explained(response)}"))
        refused.body = response.content
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
    except msgspec.MsgspecError:
        return None


def _decoded(response: httpx.Response, kind: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendRejected(
            f"the backend's answer to {response.request.method} {response.request.url.path} is not "
            f"what this version understands ({error}); {_HINTS[VersionMismatch]}"
        ) from error
