"""Checks of the running backend: readiness, token and clock skew."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from slideshow.doctor.finding import Finding, odd, ok, on_service, wrong

if TYPE_CHECKING:
    from backend.settings import Settings

TIMEOUT_SECONDS = 20.0
"""A backend that was scaled to zero needs some seconds to start."""
ODD_SECONDS = 5.0
WRONG_SECONDS = 30.0
"""With a larger clock skew, Google's tokens are rejected."""


class Reply(Struct, frozen=True):
    """An HTTP response: status, the `detail` of an error, and the server's clock in seconds since the epoch."""

    status: int
    detail: str
    date: float | None


class NoReply(Exception):
    """No server answers. The message gives the reason."""


def request(url: str, token: str = "") -> Reply:
    """Send a GET request. Raises NoReply."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as answer:
            return Reply(answer.status, "", _date(answer.headers.get("Date")))
    except urllib.error.HTTPError as error:
        return Reply(error.code, _detail(error.read(10_000)), _date(error.headers.get("Date")))
    except (OSError, ValueError) as error:
        raise NoReply(str(getattr(error, "reason", error))) from error


def _detail(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    return str(problem.get("detail", "")) if isinstance(problem, dict) else ""


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def examine(settings: Settings, url: str, token: str, clock: Callable[[], float]) -> Iterator[Finding]:
    """Check that the backend at `url` is ready, accepts `token`, and has the right time."""
    logs = f"{on_service('logs read', settings.gcp_project_id, settings.gcp_region)} --limit 50"
    try:
        ready = request(f"{url}/_ready")
        now = clock()
        pending = request(f"{url}/api/processing/pending?limit=1", token)
    except NoReply as error:
        yield wrong("backend", f"{url} does not answer: {error}", "slideshow serve" if settings.embedded else logs)
        return
    if ready.status == 200:
        yield ok("backend", f"{url} is ready")
    else:
        yield wrong("backend", f"{url} answers {ready.status}: {ready.detail or 'not a slideshow backend'}", logs)
    yield _token(pending, settings, logs)
    if ready.date is not None:
        yield clock_skew(ready.date - now)


def _token(reply: Reply, settings: Settings, logs: str) -> Finding:
    """Return the finding about the processor token, from the response to a request with it."""
    if reply.status == 200:
        return ok("token", "the backend accepts the processor token")
    if reply.status in (401, 403):
        return wrong(
            "token",
            f"the backend rejects the processor token ({reply.status}): it was started with another version of it",
            f"{on_service('update', settings.gcp_project_id, settings.gcp_region)} --update-secrets "
            "PROCESSOR_AUTH_TOKEN=slideshow-processor-token:latest",
        )
    return wrong(
        "token", f"the token could not be checked: the backend answers {reply.status} {reply.detail}".rstrip(), logs
    )


def clock_skew(ahead: float) -> Finding:
    """Return the finding about the clocks.

    Args:
        ahead: Seconds by which the backend's clock is ahead of this machine's. HTTP reports whole seconds, so one
            second is ignored.
    """
    skew = max(0.0, abs(ahead) - 1.0)
    sentence = f"the clocks of the backend and of this machine differ by {skew:.0f} s"
    if skew < ODD_SECONDS:
        return ok("clock", sentence)
    fix = "chronyc makestep"
    if skew >= WRONG_SECONDS:
        return wrong("clock", f"{sentence}: leases and Google's tokens expire too early or too late", fix)
    return odd("clock", sentence, fix)
