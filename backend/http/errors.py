"""Errors that callers see: `application/problem+json`, the sentence also in `error`.

Refused                    any answer that is not a success
├── Unauthorized  401      no credentials
├── Forbidden     403      wrong credentials, or a request from a foreign page
├── NotFound      404      unknown image, device or route
├── RequestTimeout       408      the body did not arrive in time
├── Conflict      409      the caller's view is out of date
├── PayloadTooLarge      413      more bytes than the limit
├── UnsupportedMediaType    415      a kind of file that is not taken
├── Invalid       422      a field is wrong; the sentence names it
├── TooManyRequests      429      wait, and try again then
└── Unavailable   503      something does not answer, or is busy; try again soon
"""

from __future__ import annotations

import math
from http import HTTPStatus

import falcon
import msgspec
from falcon.asgi import Request, Response

from contract.messages.admin import Problem

PROBLEM_JSON = "application/problem+json"


class HttpProblem(Exception):
    """The request is answered with `status` and a sentence that says what to do."""

    status = 400

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Unauthorized(HttpProblem):
    """401: there are no credentials."""

    status = 401


class Forbidden(HttpProblem):
    """403: the credentials are wrong, or a foreign page sent the request."""

    status = 403


class NotFound(HttpProblem):
    """404: an unknown image, device or route."""

    status = 404


class RequestTimeout(HttpProblem):
    """408: the body did not arrive in time."""

    status = 408


class Conflict(HttpProblem):
    """409: the caller's view is out of date."""

    status = 409


class PayloadTooLarge(HttpProblem):
    """413: more bytes than the limit."""

    status = 413


class UnsupportedMediaType(HttpProblem):
    """415: a kind of file that is not taken."""

    status = 415


class UnprocessableEntity(HttpProblem):
    """422: a field is wrong, and the sentence names it."""

    status = 422


class TooManyRequests(HttpProblem):
    """429: the caller has to wait, `seconds` from now."""

    status = 429

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


class ServiceUnavailable(HttpProblem):
    """503: something this depends on does not answer; try again soon."""

    status = 503


def write_problem(resp: Response, status: int, detail: str, members: dict[str, object] | None = None) -> None:
    """Make `resp` say what went wrong."""
    title = HTTPStatus(status).phrase
    problem = Problem(type="about:blank", title=title, status=status, detail=detail, error=detail)
    resp.status = status
    resp.content_type = PROBLEM_JSON
    resp.data = msgspec.json.encode({**msgspec.to_builtins(problem), **(members or {})})
    if status == 401:
        resp.set_header("WWW-Authenticate", 'Bearer realm="slideshow"')
    if status == 503:
        resp.set_header("Retry-After", "5")


async def handle_http_problem(req: Request, resp: Response, error: HttpProblem, params: dict[str, object]) -> None:
    """Falcon's handler for our own errors."""
    write_problem(resp, error.status, error.detail, error.members)
    if isinstance(error, TooManyRequests):
        resp.set_header("Retry-After", str(math.ceil(error.seconds)))


def serialize_http_error(req: Request, resp: Response, error: falcon.HTTPError) -> None:
    """Falcon's own errors (no such route, method not allowed, ...) in the same shape."""
    detail = error.description or {404: f"there is nothing at {req.path}"}.get(error.status_code) or error.title
    write_problem(resp, error.status_code, str(detail))
