"""Access control fails closed."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from falcon.asgi import Request
from falcon.testing import create_asgi_req

from backend.auth.access import Access, Authority
from backend.auth.device_cache import DeviceCache
from backend.http.errors import Forbidden, Unauthorized
from tests.support.core_library import Library


@pytest.fixture
def authority(library: Library) -> Authority:
    return Authority(
        library.database,
        DeviceCache(library.database),
        processor_tokens=["a-processors-token"],
        admin_password="a-password",
        metrics_token="",
        device_auth="required",
        session_seconds=60,
        picture_key="a-key",
    )


def _request(**headers: str) -> Request:
    return cast(Request, create_asgi_req(headers=headers))


def test_require_unknown_rule_is_forbidden(authority: Authority) -> None:
    with pytest.raises(Forbidden):
        asyncio.run(authority.require(cast(Access, "unknown"), _request(), None, 0.0))


@pytest.mark.parametrize("access", [access for access in Access if access is not Access.PUBLIC])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer  \t", "Basic a-processors-token"])
def test_require_without_credentials_is_unauthorized(authority: Authority, access: Access, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    with pytest.raises(Unauthorized):
        asyncio.run(authority.require(access, _request(**headers), "frame", 0.0))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_require_bearer_scheme_is_case_insensitive(authority: Authority, scheme: str) -> None:
    request = _request(Authorization=f"{scheme} a-processors-token ")
    asyncio.run(authority.require(Access.PROCESSOR, request, None, 0.0))
