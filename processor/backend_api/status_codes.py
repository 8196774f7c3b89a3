"""What the backend's answers, and its silence, mean: one table for each, and their sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from contract.messages import DECODE_ERRORS
from processor.errors import (
    BackendDenied,
    BackendRejected,
    BackendUnavailable,
    ImageGone,
    LeaseLost,
    TaskError,
    VersionMismatch,
)

MAX_RETRY_AFTER = 20.0
MIN_RETRY_AFTER = 0.1

StatusTable = Mapping[int, type[TaskError]]

_EVERYWHERE: dict[int, type[TaskError]] = {
    401: BackendDenied,
    403: BackendDenied,
    429: BackendUnavailable,
}
OF_AN_IMAGE: StatusTable = {**_EVERYWHERE, 404: ImageGone, 409: LeaseLost}
"""What a status means in answer to a call about one image."""
OF_A_TASK: StatusTable = {**_EVERYWHERE, 409: VersionMismatch}
"""What a status means in answer to a call of the task as a whole. What no table holds is BackendRejected,
or BackendUnavailable from 500 on: a fault of the backend's own is nothing that we said."""

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
    return table.get(status, BackendUnavailable if status >= 500 else BackendRejected)


def blames_the_request(error: BackendRejected) -> bool:
    """Whether the backend did not accept what was said: a 4xx that no table holds.

    A redirect, an answer that is not understood, or an address that is none say nothing of it.
    """
    return error.status is not None and 400 <= error.status < 500


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
        except (ValueError, OverflowError):  # the latter for years of twenty digits
            return None
    return min(max(seconds, MIN_RETRY_AFTER), MAX_RETRY_AFTER)


class _Explanation(msgspec.Struct):
    """The part of an error's body that a person wants to read."""

    detail: str = ""
    error: str = ""


def explained(response: httpx.Response) -> str:
    """The reason that a refusing answer gives, at most 500 characters."""
    try:
        body = msgspec.json.decode(response.content, type=_Explanation)
        said = body.error or body.detail
    except DECODE_ERRORS:
        said = ""
    return said[:500] or response.reason_phrase or "no reason given"


HINTS: dict[type[TaskError], str] = {
    BackendDenied: "BACKEND_AUTH_TOKEN here and PROCESSOR_AUTH_TOKEN of the backend must be the same secret",
    VersionMismatch: "deploy the backend and the processor from the same version",
}


def refusal(kind: type[TaskError], call: str, reason: str) -> str:
    """The sentence of a refusal, with what to do where we know it."""
    hint = HINTS.get(kind)
    return f"the backend did not accept {call}: {reason}" + (f"; {hint}" if hint else "")
