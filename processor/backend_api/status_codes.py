"""Map the statuses and transport errors of backend calls to our errors, and word their messages. Pure."""

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

_ALL_CALLS: dict[int, type[TaskError]] = {
    401: BackendDenied,
    403: BackendDenied,
    429: BackendUnavailable,
}
IMAGE_CALLS: StatusTable = {**_ALL_CALLS, 404: ImageGone, 409: LeaseLost}
"""Statuses of a call about one image."""
TASK_CALLS: StatusTable = {**_ALL_CALLS, 409: VersionMismatch}
"""Statuses of a call of the task as a whole. A status that is in no table is BackendRejected, or
BackendUnavailable from 500 on: an internal error of the backend is not caused by the request."""

TRANSPORT_ERRORS: tuple[tuple[type[httpx.HTTPError], type[TaskError]], ...] = (
    (httpx.UnsupportedProtocol, BackendRejected),
    (httpx.LocalProtocolError, BackendRejected),
    (httpx.TransportError, BackendUnavailable),
    (httpx.HTTPError, BackendRejected),
)
"""Errors of the connection; the first entry that matches counts."""


def error_of_transport(error: httpx.HTTPError) -> type[TaskError]:
    """Return our error for one of httpx."""
    return next(ours for theirs, ours in TRANSPORT_ERRORS if isinstance(error, theirs))


def error_of_status(status: int, table: StatusTable) -> type[TaskError]:
    """Return our error for a status that is not 2xx."""
    return table.get(status, BackendUnavailable if status >= 500 else BackendRejected)


def blames_the_request(error: BackendRejected) -> bool:
    """Return whether the backend rejected the content of the request: a 4xx status that is in no table.

    A redirect, an unreadable response or an invalid address say nothing about the content.
    """
    return error.status is not None and 400 <= error.status < 500


def retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header requests, within bounds; None for a missing or invalid header.

    `now` is the epoch time with which a date is compared (RFC 9110, section 10.2.3).
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
    """The part of an error's body that is written for a person."""

    detail: str = ""
    error: str = ""


def explained(response: httpx.Response) -> str:
    """Return the reason in an error response, at most 500 characters."""
    try:
        body = msgspec.json.decode(response.content, type=_Explanation)
        reason = body.error or body.detail
    except DECODE_ERRORS:
        reason = ""
    return reason[:500] or response.reason_phrase or "no reason given"


HINTS: dict[type[TaskError], str] = {
    BackendDenied: "BACKEND_AUTH_TOKEN here and PROCESSOR_AUTH_TOKEN of the backend must be the same secret",
    VersionMismatch: "deploy the backend and the processor from the same version",
}


def rejection_message(kind: type[TaskError], call: str, reason: str) -> str:
    """Return the message for a rejected call, with what to do where that is known."""
    hint = HINTS.get(kind)
    return f"the backend did not accept {call}: {reason}" + (f"; {hint}" if hint else "")
