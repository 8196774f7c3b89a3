"""The doctor's look at the running backend: is it ready, does it take the token, is it the same o'clock?"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from slideshow.doctor.finding import Finding, fine, wrong

if TYPE_CHECKING:
    from backend.settings import Settings

ANSWER_SECONDS = 20.0
"""A backend that has to be started first takes some seconds."""
ODD_SECONDS = 5.0
WRONG_SECONDS = 30.0
"""So far apart, tokens of Google's are refused."""
_LOGS = "gcloud run services logs read slideshow-backend --limit 50"


class Reply(Struct, frozen=True):
    """An HTTP answer: `said` is its sentence, `date` the server's clock in seconds since the epoch."""

    status: int
    said: str
    date: float | None


class NoReply(Exception):
    """Nobody answered; the message says why."""


def ask(url: str, token: str = "") -> Reply:
    """Raises NoReply."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return Reply(answer.status, "", _date(answer.headers.get("Date")))
    except urllib.error.HTTPError as error:
        return Reply(error.code, _sentence(error.read(10_000)), _date(error.headers.get("Date")))
    except (OSError, ValueError) as error:
        raise NoReply(str(getattr(error, "reason", error))) from error


def _sentence(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    return str(told.get("detail", "")) if isinstance(told, dict) else ""


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def examine(settings: Settings, url: str, token: str, clock: Callable[[], float]) -> Iterator[Finding]:
    """Whether the backend at `url` works, and with this token."""
    try:
        ready = ask(f"{url}/_ready")
        now = clock()
        asked = ask(f"{url}/api/processing/pending?limit=1", token)
    except NoReply as error:
        yield wrong("backend", f"{url} does not answer: {error}", "slideshow serve" if settings.embedded else _LOGS)
        return
    if ready.status == 200:
        yield fine("backend", f"{url} is ready")
    else:
        yield wrong("backend", f"{url} answers {ready.status}: {ready.said or 'no slideshow backend'}", _LOGS)
    yield _of_token(asked)
    if ready.date is not None:
        yield of_clock(ready.date - now)


def _of_token(asked: Reply) -> Finding:
    """What the backend said to the token that this environment holds."""
    if asked.status == 200:
        return fine("token", "the backend takes the processor's token")
    if asked.status in (401, 403):
        return wrong(
            "token",
            f"the backend refuses the processor's token ({asked.status}): it was started with another version of it",
            "gcloud run services update slideshow-backend --update-secrets "
            "PROCESSOR_AUTH_TOKEN=slideshow-processor-token:latest",
        )
    return wrong("token", f"it could not be tried: the backend answers {asked.status} {asked.said}".rstrip(), _LOGS)


def of_clock(ahead: float) -> Finding:
    """How far the backend's clock is ahead of this machine's, in seconds; told in whole seconds by HTTP."""
    apart = max(0.0, abs(ahead) - 1.0)
    sentence = f"the backend's clock and this one are {apart:.0f} s apart"
    if apart < ODD_SECONDS:
        return fine("clock", sentence)
    mend = "chronyc makestep"
    if apart >= WRONG_SECONDS:
        return wrong("clock", f"{sentence}: leases and Google's tokens end too early or too late", mend)
    return Finding("odd", "clock", sentence, mend)
