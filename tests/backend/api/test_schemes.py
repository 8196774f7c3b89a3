"""`GET /api/images/{image_id}/scheme`: access, responses and errors."""

from __future__ import annotations

import pytest

from tests.support import server, small_photos
from tests.support.server import problem

pytestmark = pytest.mark.server


@pytest.fixture
def address(backend: server.BackendServer, image: str) -> str:
    """Return the scheme address of a photo with colours."""
    backend.finish(backend.claim("run/0"))
    return f"/api/images/{image}/scheme"


def test_scheme_of_a_photo_has_light_and_dark(backend: server.BackendServer, address: str) -> None:
    body = backend.admin.get(address).json()
    assert body["sourceColor"] == small_photos.PALETTE["sourceColor"]
    assert (body["variant"], body["contrast"]) == ("tonal_spot", 0.0)
    assert body["light"].keys() == body["dark"].keys()
    assert body["light"]["primary"] != body["dark"]["primary"]
    assert backend.admin.get(address).json() == body


def test_scheme_accepts_variant_and_contrast(backend: server.BackendServer, address: str) -> None:
    plain = backend.admin.get(address).json()
    body = backend.admin.get(address, params={"variant": "vibrant", "contrast": "-0.5"}).json()
    assert (body["variant"], body["contrast"]) == ("vibrant", -0.5)
    assert body["light"] != plain["light"]


def test_scheme_neutral_palette_uses_fidelity_by_default(backend: server.BackendServer, address: str) -> None:
    backend.sql("UPDATE images SET color_palette = json_set(color_palette, '$.neutral', json('true'))")
    assert backend.admin.get(address).json()["variant"] == "fidelity"
    assert backend.admin.get(address, params={"variant": "tonal_spot"}).json()["variant"] == "tonal_spot"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variant", "loud"),
        ("variant", "Vibrant"),
        *(("contrast", text) for text in ("1.1", "-2", "high", "nan", "inf")),
    ],
)
def test_scheme_invalid_parameter_is_named(backend: server.BackendServer, address: str, name: str, value: str) -> None:
    assert name in problem(backend.admin.get(address, params={name: value}), 422)


def test_scheme_unknown_image_or_missing_colours_is_404(backend: server.BackendServer, image: str) -> None:
    assert "there is no image" in problem(backend.admin.get(f"/api/images/{'0' * 32}/scheme"), 404)
    assert "no colours yet; it is pending" in problem(backend.admin.get(f"/api/images/{image}/scheme"), 404)


def test_scheme_requires_a_session(backend: server.BackendServer, address: str) -> None:
    problem(backend.anonymous.get(address), 401)
    assert backend.processor.get(address).status_code in (401, 403)
