"""Access fails closed, whatever an operation asks for."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from core_library import Library
from falcon.asgi import Request
from falcon.testing import create_asgi_req

from backend.auth.access import Access, Authority
from backend.auth.device_cache import DeviceCache
from backend.http.errors import Forbidden, Unauthorized


@pytest.fixture
def authority(library: Library) -> Authority:
    return Authority(
        library.database,
        DeviceCache(library.database),
        processor_tokens=["a-processors-token"],
        admin_password="a-password",
        metrics_token="",
        device_auth="token",
        session_seconds=60,
        picture_key="a-key",
    )


def _asks(**headers: str) -> Request:
    return cast(Request, create_asgi_req(headers=headers))


def test_a_kind_of_access_that_nobody_knows_is_refused(authority: Authority) -> None:
    with pytest.raises(Forbidden):
        asyncio.run(authority.require(cast(Access, "whoever"), _asks(), None, 0.0))


@pytest.mark.parametrize("access", [access for access in Access if access is not Access.PUBLIC])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer  \t", "Basic a-processors-token"])
def test_without_credentials_nothing_but_the_public_is_open(
    authority: Authority, access: Access, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    with pytest.raises(Unauthorized):
        asyncio.run(authority.require(access, _asks(**headers), "frame", 0.0))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_name_is_read_in_any_case(authority: Authority, scheme: str) -> None:
    asked = _asks(Authorization=f"{scheme} a-processors-token ")
    asyncio.run(authority.require(Access.PROCESSOR, asked, None, 0.0))
