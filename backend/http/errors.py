"""Errors that callers see: `application/problem+json`, with the sentence also in `error`.

HttpProblem                     any response that is not a success
├── Unauthorized          401   credentials are missing
├── Forbidden             403   credentials are wrong, or another site's page sent the request
├── NotFound              404   the image, device or route does not exist
├── RequestTimeout        408   the body did not arrive in time
├── Conflict              409   the caller's view is out of date
├── PayloadTooLarge       413   the body has more bytes than the limit
├── UnsupportedMediaType  415   the file type is not supported
├── MisdirectedRequest    421   the Host header is not a name of this server
├── UnprocessableEntity   422   a field is wrong; the sentence names it
├── TooManyRequests       429   the caller has to wait before it tries again
└── ServiceUnavailable    503   a dependency does not answer, or is busy; try again soon
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
    """The request is answered with `status` and a sentence that says what is wrong and what to do."""

    status = 400

    def __init__(self, detail: str, **members: object) -> None:
        """`detail`: the sentence. `members`: further members of the JSON object."""
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Unauthorized(HttpProblem):
    """401: credentials are missing."""

    status = 401


class Forbidden(HttpProblem):
    """403: credentials are wrong, or another site's page sent the request."""

    status = 403


class NotFound(HttpProblem):
    """404: the image, device or route does not exist."""

    status = 404


class RequestTimeout(HttpProblem):
    """408: the body did not arrive in time."""

    status = 408


class Conflict(HttpProblem):
    """409: the caller's view is out of date."""

    status = 409


class PayloadTooLarge(HttpProblem):
    """413: the body has more bytes than the limit."""

    status = 413


class UnsupportedMediaType(HttpProblem):
    """415: the file type is not supported."""

    status = 415


class MisdirectedRequest(HttpProblem):
    """421: the Host header is not a name of this server."""

    status = 421


class UnprocessableEntity(HttpProblem):
    """422: a field is wrong, and the sentence names it."""

    status = 422


class TooManyRequests(HttpProblem):
    """429: the caller has to wait for `seconds`."""

    status = 429

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


class ServiceUnavailable(HttpProblem):
    """503: a dependency does not answer, or is busy; try again soon."""

    status = 503


def write_problem(resp: Response, status: int, detail: str, members: dict[str, object] | None = None) -> None:
    """Fill `resp` with a problem of this status and sentence, and with the given further members."""
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
    """Write our own errors as a response. This function is a Falcon error handler."""
    write_problem(resp, error.status, error.detail, error.members)
    if isinstance(error, TooManyRequests):
        resp.set_header("Retry-After", str(math.ceil(error.seconds)))


def serialize_http_error(req: Request, resp: Response, error: falcon.HTTPError) -> None:
    """Write Falcon's own errors (unknown route, method not allowed, ...) in the same shape."""
    detail = error.description or {404: f"there is nothing at {req.path}"}.get(error.status_code) or error.title
    write_problem(resp, error.status_code, str(detail))
