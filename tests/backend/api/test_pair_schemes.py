"""`GET /api/images/{image_id}/scheme?with=`: the combined colours of two photos."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

REDS = {"#B02020": 900, "#701010": 300}
BLUES = {"#2030C0": 500, "#101060": 100}


def report(backend: server.BackendServer, claimed: dict[str, Any], histogram: dict[str, int]) -> str:
    """Report a claimed image with these colours. Returns its id."""
    message = backend.render(claimed)
    for outcome in message["outcomes"]:
        outcome["histogram"] = histogram
    assert backend.processor.post("/api/processed-images", json=message).status_code == 200
    return str(claimed["id"])


@pytest.fixture
def pair(backend: server.BackendServer) -> tuple[str, str]:
    """Return a red and a blue photo."""
    backend.add_device("frame")
    backend.upload_photos(2)
    first, second = backend.claim("run/0")
    return report(backend, first, REDS), report(backend, second, BLUES)


def test_pair_scheme_combines_both_photos(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    red, blue = pair
    body = backend.admin.get(f"/api/images/{red}/scheme", params={"with": blue}).json()
    assert {"#B02020", "#2030C0"} <= set(body["colorPalette"]["allColors"])
    assert body["sourceColor"] == body["colorPalette"]["sourceColor"]
    assert body["variant"] == "tonal_spot"
    assert backend.admin.get(f"/api/images/{blue}/scheme", params={"with": red}).json() == body
    alone = backend.admin.get(f"/api/images/{red}/scheme").json()
    assert "colorPalette" not in alone


def test_pair_scheme_accepts_variant_and_contrast(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    asked = {"with": pair[1], "variant": "vibrant", "contrast": "0.5"}
    body = backend.admin.get(f"/api/images/{pair[0]}/scheme", params=asked).json()
    assert (body["variant"], body["contrast"]) == ("vibrant", 0.5)


def test_pair_scheme_of_grey_photos_is_neutral(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    backend.sql('UPDATE images SET histogram = json(\'{"#808080": 7, "#202020": 5}\')')
    body = backend.admin.get(f"/api/images/{pair[0]}/scheme", params={"with": pair[1]}).json()
    assert body["colorPalette"]["neutral"] is True
    assert (body["variant"], body["sourceColor"]) == ("fidelity", "#808080")


def test_pair_scheme_unusable_photo_is_named(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    address = f"/api/images/{pair[0]}/scheme"
    assert "there is no image 'absent'" in problem(backend.admin.get(address, params={"with": "absent"}), 404)
    late = backend.upload_photos(1, first=7)[0]
    assert f"{late} has no histogram" in problem(backend.admin.get(address, params={"with": late}), 404)
    backend.sql("UPDATE images SET histogram = NULL WHERE id = ?", pair[0])
    assert f"{pair[0]} has no histogram" in problem(backend.admin.get(address, params={"with": pair[1]}), 404)


def test_scheme_requires_a_session(backend: server.BackendServer, pair: tuple[str, str]) -> None:
    problem(backend.anonymous.get(f"/api/images/{pair[0]}/scheme", params={"with": pair[1]}), 401)
