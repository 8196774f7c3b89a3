"""`slideshow devices renew-token` on a real backend."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from slideshow.__main__ import main
from tests.backend.conftest import backend, shared_backend
from tests.support import server

pytestmark = pytest.mark.server
__all__ = ["backend", "shared_backend"]


def test_renew_token_prints_a_token_that_works_once(backend: server.BackendServer) -> None:
    old = backend.add_device("hall")["token"]
    options = ["--data", str(backend.data)]
    result = CliRunner().invoke(main, ["devices", "renew-token", "hall", *options])
    assert result.exit_code == 0, result.output
    token = result.output.splitlines()[-1]
    assert backend.client(Authorization=f"Bearer {token}").get("/api/devices/hall/slideshow").status_code == 200
    assert backend.client(Authorization=f"Bearer {old}").get("/api/devices/hall/slideshow").status_code == 403
    result = CliRunner().invoke(main, ["devices", "renew-token", "hall", "--json", *options])
    assert json.loads(result.output)["deviceId"] == "hall"
    assert token not in result.output
    result = CliRunner().invoke(main, ["devices", "renew-token", "attic", *options])
    assert result.exit_code != 0
    assert "there is no frame 'attic'" in result.output
