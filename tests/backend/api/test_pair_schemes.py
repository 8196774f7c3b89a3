"""`GET /api/images/{image_id}/scheme?with=`: the colours that two photos have together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

REDS = {"#B02020": 900, "#701010": 300}
BLUES = {"#2030C0": 500, "#101060": 100}


def report(backend: server.BackendServer, claimed: dict[str, Any], histogram: dict[str, int]) -> str:
    """Render a claimed image with these colours; its id."""
    message = backend.render(claimed)
    for outcome in message["outcomes"]:
        outcome["histogram"] = histogram
    assert backend.processor.post("/api/processed-images", json=message).status_code == 200
    return str(claimed["id"])


@pytest.fixture
def pair(backend: server.BackendServer) -> tuple[str, str]:
    """A red and a blue photo."""
    backend.add_device("frame")
    backend.upload_photos(2)
    first, second = backend.claim("run/0")
    return report(backend, first, REDS), report(backend, second, BLUES)


def test_two_photos_together(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    red, blue = pair
    told = backend.admin.get(f"/api/images/{red}/scheme", params={"with": blue}).json()
    assert {"#B02020", "#2030C0"} <= set(told["colorPalette"]["allColors"])
    assert told["sourceColor"] == told["colorPalette"]["sourceColor"]
    assert told["variant"] == "tonal_spot"
    assert backend.admin.get(f"/api/images/{blue}/scheme", params={"with": red}).json() == told
    alone = backend.admin.get(f"/api/images/{red}/scheme").json()
    assert "colorPalette" not in alone


def test_variant_and_contrast_hold_for_pairs(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    asked = {"with": pair[1], "variant": "vibrant", "contrast": "0.5"}
    told = backend.admin.get(f"/api/images/{pair[0]}/scheme", params=asked).json()
    assert (told["variant"], told["contrast"]) == ("vibrant", 0.5)


def test_two_grey_photos_are_neutral(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    backend.sql('UPDATE images SET histogram = json(\'{"#808080": 7, "#202020": 5}\')')
    told = backend.admin.get(f"/api/images/{pair[0]}/scheme", params={"with": pair[1]}).json()
    assert told["colorPalette"]["neutral"] is True
    assert (told["variant"], told["sourceColor"]) == ("fidelity", "#808080")


def test_a_photo_that_cannot_be_combined_is_named(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    address = f"/api/images/{pair[0]}/scheme"
    assert "there is no image 'nobody'" in problem(backend.admin.get(address, params={"with": "nobody"}), 404)
    late = backend.upload_photos(1, first=7)[0]
    assert f"{late} has no histogram" in problem(backend.admin.get(address, params={"with": late}), 404)
    backend.sql("UPDATE images SET histogram = NULL WHERE id = ?", pair[0])
    assert f"{pair[0]} has no histogram" in problem(backend.admin.get(address, params={"with": pair[1]}), 404)


def test_only_people_may_ask(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    problem(backend.anonymous.get(f"/api/images/{pair[0]}/scheme", params={"with": pair[1]}), 401)
