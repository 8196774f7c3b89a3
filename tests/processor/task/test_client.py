"""Calls to the backend over real HTTP: retries, and the error of each response."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from contract.messages.processing import AttemptStart, ClaimAnswer, ClaimRequest, Failure, LeaseAnswer, LeaseList
from contract.recipes import RENDERER_VERSION
from processor import errors
from processor.backend_api import status_codes
from processor.backend_api.client import BackendClient
from processor.backend_api.status_codes import (
    IMAGE_CALLS,
    MAX_RETRY_AFTER,
    MIN_RETRY_AFTER,
    TASK_CALLS,
    error_of_status,
    error_of_transport,
    explained,
    retry_after,
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
from tests.support.claims_server import TOKEN, ClaimsServer, Fault

pytestmark = pytest.mark.server

IMAGE = "0" * 32
REQUEST = ClaimRequest(owner="run/0", claim_id="a" * 32, renderer_version=RENDERER_VERSION)


@pytest.fixture
def server() -> Iterator[ClaimsServer]:
    with ClaimsServer() as running:
        yield running


def claim(url: str, token: str = TOKEN, *, retry: float = 5.0, request: float = 2.0) -> ClaimAnswer:
    async def ask() -> ClaimAnswer:
        async with BackendClient(url, token, retry_seconds=retry, request_seconds=request) as client:
            return await client.claim(REQUEST)

    return asyncio.run(ask())


def test_error_of_transport_covers_every_httpx_error() -> None:
    found = 0
    for _, kind in inspect.getmembers(httpx, inspect.isclass):
        if issubclass(kind, httpx.HTTPError) and kind is not httpx.HTTPStatusError:
            found += 1
            ours = error_of_transport(kind("why"))
            assert issubclass(ours, TaskError)
            passing = issubclass(kind, (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError))
            assert not passing or ours is BackendUnavailable
    assert found > 10
    assert error_of_transport(httpx.UnsupportedProtocol("why")) is BackendRejected


@pytest.mark.parametrize("table", [IMAGE_CALLS, TASK_CALLS])
def test_error_of_status_covers_every_status(table: status_codes.StatusTable) -> None:
    for status in [*range(100, 200), *range(300, 600)]:
        kind = error_of_status(status, table)
        assert issubclass(kind, TaskError)
        assert kind.temporary == (status == 429 or status >= 500)
    assert error_of_status(401, table) is error_of_status(403, table) is BackendDenied
    assert error_of_status(302, table) is BackendRejected


def test_error_of_status_differs_for_image_and_task_calls() -> None:
    assert error_of_status(404, IMAGE_CALLS) is ImageGone
    assert error_of_status(409, IMAGE_CALLS) is LeaseLost
    assert error_of_status(404, TASK_CALLS) is BackendRejected
    assert error_of_status(409, TASK_CALLS) is VersionMismatch


@pytest.mark.parametrize("body", [b"", b"no JSON", b'{"error": "\xff"}', b'{"x": ' + b"[" * 100_000, b'{"error": 5}'])
def test_explained_foreign_body_returns_the_reason_phrase(body: bytes) -> None:
    assert explained(httpx.Response(409, content=body)) == "Conflict"


def test_errors_docstring_lists_every_class() -> None:
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ == errors.__name__:
            assert name in (errors.__doc__ or "")


def test_retry_after_any_header_is_bounded() -> None:
    assert retry_after(None, 0) is None
    assert retry_after("soon", 0) is None
    assert retry_after(f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT", 0) is None
    assert retry_after("9" * 400, 0) == MAX_RETRY_AFTER
    assert retry_after("3", 0) == 3
    assert retry_after("0", 0) == MIN_RETRY_AFTER
    assert retry_after("86400", 0) == MAX_RETRY_AFTER
    assert retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 5) == 5


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 507])
def test_claim_transient_status_is_retried(server: ClaimsServer, status: int) -> None:
    server.fault("claims", Fault(status=status), Fault(status=status, headers={"Retry-After": "0"}))
    assert claim(server.url).images == ()
    assert len(server.calls) == 3


def test_claim_waits_for_retry_after(server: ClaimsServer) -> None:
    server.fault("claims", Fault(status=503, headers={"Retry-After": "1"}))
    began = time.monotonic()
    claim(server.url)
    assert time.monotonic() - began >= 1


def test_claim_lost_response_is_retried_with_the_same_leases(server: ClaimsServer) -> None:
    server.add(IMAGE, "file:///x", "x.jpg")
    server.fault("claims", Fault(lose_answer=True), Fault(stall_seconds=0.6))
    answer = claim(server.url, request=0.3)
    assert [image.id for image in answer.images] == [IMAGE]
    assert server.images[IMAGE].claims == 1
    assert len(server.calls) == 3


def test_claim_outage_raises_in_time_with_the_reason(server: ClaimsServer) -> None:
    server.fault("claims", *[Fault(status=503, body=b'{"error": "the database is away"}')] * 100)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match=r"POST /api/processing/claims.*503, the database is away"):
        claim(server.url, retry=0.5)
    assert time.monotonic() - began < 4


def test_claim_without_listener_raises_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(BackendUnavailable, match="check BACKEND_API_URL"):
            claim(f"http://127.0.0.1:{unused.getsockname()[1]}", retry=0.3)


def test_claim_silent_backend_raises_unavailable(server: ClaimsServer) -> None:
    server.fault("claims", *[Fault(stall_seconds=0.5)] * 5)
    with pytest.raises(BackendUnavailable, match=r"too long|did not respond"):
        claim(server.url, retry=0.3, request=0.2)


def test_claim_rejected_token_names_both_variables(server: ClaimsServer) -> None:
    with pytest.raises(BackendDenied, match=r"BACKEND_AUTH_TOKEN.*PROCESSOR_AUTH_TOKEN") as caught:
        claim(server.url, "another-wrong-token")
    assert "another-wrong-token" not in str(caught.value)
    assert len(server.calls) == 1


def test_claim_other_renderer_version_raises_mismatch(server: ClaimsServer) -> None:
    server.renderer_version = 99
    with pytest.raises(VersionMismatch, match=r"version 99.*same version"):
        claim(server.url)


def test_claim_redirect_is_not_followed(server: ClaimsServer) -> None:
    with ClaimsServer() as elsewhere:
        server.fault("claims", Fault(status=307, headers={"Location": f"{elsewhere.url}/api/processing/claims"}))
        with pytest.raises(BackendRejected, match="307"):
            claim(server.url)
        assert elsewhere.calls == []


def test_claim_unreadable_response_raises_rejected(server: ClaimsServer) -> None:
    server.fault("claims", Fault(status=200, body=b'{"images": 7}'))
    with pytest.raises(BackendRejected, match="this version cannot read"):
        claim(server.url)


def test_image_calls_unknown_image_or_lost_lease_raise(server: ClaimsServer) -> None:
    server.add("1" * 32, "file:///x", "x.jpg")

    async def scenario() -> None:
        async with BackendClient(server.url, TOKEN) as client:
            with pytest.raises(ImageGone):
                await client.start(IMAGE, AttemptStart(lease="lease"))
            with pytest.raises(LeaseLost):
                await client.start("1" * 32, AttemptStart(lease="lease"))
            with pytest.raises(LeaseLost):
                await client.fail("1" * 32, Failure(error="broken", lease="lease"))

    asyncio.run(scenario())


def test_renew_lost_leases_are_listed_for_every_form_of_409(server: ClaimsServer) -> None:
    for number in range(2):
        server.add(f"{number}" * 32, "file:///x", "x.jpg")

    async def scenario() -> None:
        async with BackendClient(server.url, TOKEN) as client:
            leases = [image.lease for image in (await client.claim(REQUEST)).images]
            good, other = leases
            answer = await client.renew(LeaseList(leases=(good, "gone")), within=2)
            assert (answer.held, answer.lost) == ((good,), ("gone",))
            assert (await client.renew(LeaseList(leases=("gone",)), within=2)).lost == ("gone",)
            # A backend that answers 409 as soon as one of them is lost, without or with a list.
            server.fault("renew", Fault(status=409))
            answer = await client.renew(LeaseList(leases=(good, "gone", other)), within=2)
            assert (answer.held, answer.lost) == ((good, other), ("gone",))
            listed = json.dumps({"held": [other], "lost": [good]}).encode()
            server.fault("renew", Fault(status=409, body=listed))
            answer = await client.renew(LeaseList(leases=(good, other)), within=2)
            assert answer == LeaseAnswer(held=(other,), lost=(good,))
            assert (await client.release(LeaseList(leases=(good, other)))).held == (good, other)

    asyncio.run(scenario())
