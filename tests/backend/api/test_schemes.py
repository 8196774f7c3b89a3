"""`GET /api/images/{image_id}/scheme`: who may ask, what is answered, what is refused."""

from __future__ import annotations

import pytest

from tests.support import server, small_photos
from tests.support.server import problem

pytestmark = pytest.mark.server


@pytest.fixture
def address(backend: server.BackendServer, image: str) -> str:
    """The scheme's address of a photo that has its colours."""
    backend.finish(backend.claim("run/0"))
    return f"/api/images/{image}/scheme"


def test_the_schemes_of_a_photo(backend: server.BackendServer, address: str) -> None:
    told = backend.admin.get(address).json()
    assert told["sourceColor"] == small_photos.PALETTE["sourceColor"]
    assert (told["variant"], told["contrast"]) == ("tonal_spot", 0.0)
    assert told["light"].keys() == told["dark"].keys()
    assert told["light"]["primary"] != told["dark"]["primary"]
    assert backend.admin.get(address).json() == told


def test_variant_and_contrast_can_be_chosen(backend: server.BackendServer, address: str) -> None:
    plain = backend.admin.get(address).json()
    told = backend.admin.get(address, params={"variant": "vibrant", "contrast": "-0.5"}).json()
    assert (told["variant"], told["contrast"]) == ("vibrant", -0.5)
    assert told["light"] != plain["light"]


def test_a_neutral_palette_is_not_coloured_unless_asked(backend: server.BackendServer, address: str) -> None:
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
def test_a_wrong_parameter_is_named(backend: server.BackendServer, address: str, name: str, value: str) -> None:
    assert name in problem(backend.admin.get(address, params={name: value}), 422)


def test_no_such_image_and_no_colours_yet(backend: server.BackendServer, image: str) -> None:
    assert "there is no image" in problem(backend.admin.get(f"/api/images/{'0' * 32}/scheme"), 404)
    assert "no colours yet; it is pending" in problem(backend.admin.get(f"/api/images/{image}/scheme"), 404)


def test_only_people_may_ask(backend: server.BackendServer, address: str) -> None:
    problem(backend.anonymous.get(address), 401)
    assert backend.processor.get(address).status_code in (401, 403)
