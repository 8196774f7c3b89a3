"""Devices with an e-paper panel: settings over HTTP, the object that a task stores, and how the page shows it."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contract.panels import PANELS, panel_setting
from contract.recipes import recipe
from tests.processor.task.test_with_backend import finish, start
from tests.support import server
from tests.support.server import problem
from tests.support.task_world import jpeg

pytestmark = pytest.mark.server

SIZE = {"width": 80, "height": 48}


def saved(backend: server.BackendServer, **fields: Any) -> dict[str, Any]:
    backend.admin.post("/api/devices", json={"name": "hall", **SIZE, **fields}).raise_for_status()
    device: dict[str, Any] = backend.admin.get("/api/devices/hall").json()
    return {name: device[name] for name in ("panel", "container", "inks", "pairing")}


def test_panel_is_stored_and_kept_by_a_change_that_omits_it(backend: server.BackendServer) -> None:
    assert saved(backend) == {"panel": "jpeg", "container": "jpeg", "inks": [], "pairing": True}
    spectra = {"panel": "spectra6", "container": "packed", "inks": [], "pairing": True}
    assert saved(backend, panel="spectra6", container="packed") == spectra
    assert saved(backend) == spectra
    assert saved(backend, panel="jpeg") == {"panel": "jpeg", "container": "jpeg", "inks": [], "pairing": True}
    inks = ["#0A0A0A", "#b4b4aa"]
    assert saved(backend, panel="custom", inks=inks)["inks"] == ["#0A0A0A", "#B4B4AA"]
    record = json.loads((backend.bucket / "state/devices.json").read_text())
    assert record["devices"][0]["panel"]["inks"] == ["#0A0A0A", "#B4B4AA"]


def test_new_device_with_a_panel_shows_no_pairs_unless_asked(backend: server.BackendServer) -> None:
    assert saved(backend, panel="grey16")["pairing"] is False
    assert saved(backend, pairing=True)["pairing"] is True
    sizes = backend.sql("SELECT recipe, half_recipe FROM devices")
    assert sizes == [(recipe(80, 48, panel=panel_setting("grey16")), recipe(40, 48))]


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"panel": "colour9"}, "colour9"),
        ({"panel": "spectra6", "container": "gif"}, "gif"),
        ({"panel": "spectra6", "container": "jpeg"}, "container: the panel 'spectra6' cannot have"),
        ({"container": "png"}, "panel: is missing"),
        ({"panel": "custom", "container": "packed", "inks": ["#000000", "#FFFFFF"]}, "container: "),
        ({"panel": "custom", "inks": ["#000000"]}, "inks: a custom panel needs 2 to 16 inks, not 1"),
        ({"panel": "custom", "inks": ["#000000", "#FFFFFF", "#000000"]}, "inks: two inks are equal"),
        ({"panel": "custom", "inks": ["#000000", "white"]}, "inks"),
    ],
)
def test_panel_that_does_not_exist_is_422(backend: server.BackendServer, fields: dict[str, Any], part: str) -> None:
    answer = backend.admin.post("/api/devices", json={"name": "hall", **SIZE, **fields})
    assert part in problem(answer, 422)
    assert backend.admin.get("/api/devices").json()["devices"] == []


def test_task_renders_for_the_panel_and_the_page_shows_how_it_looks(backend: server.BackendServer) -> None:
    saved(backend, panel="spectra6", container="packed")
    backend.add_device("wall", 80, 48)
    backend.upload(jpeg(3, 800, 480), "photo.jpg")
    finish(start(backend))
    rows = dict(backend.sql("SELECT device_size, file_path FROM processed_images"))
    assert rows["hall"].endswith(f"-{recipe(80, 48, panel=panel_setting('spectra6', 'packed'))}.bin")
    assert rows["wall"].endswith(f"-{recipe(80, 48)}.jpg")
    page = backend.admin.get("/devices").text
    assert "e-paper: Spectra 6, packed" in page
    url = backend.admin.get("/api/devices/hall/slideshow").json()["queue"][0]["url"]
    assert f"{url}&amp;palette=measured" in page
    path = url.removeprefix(backend.url)
    stored = backend.admin.get(path)
    assert (stored.headers["content-type"], len(stored.content)) == ("application/octet-stream", 40 * 48)
    assert {nibble for byte in stored.content for nibble in (byte >> 4, byte & 15)} <= {0, 1, 2, 3, 5, 6}
    shown = backend.admin.get(f"{path}&palette=measured")
    assert shown.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(shown.content)) as image:
        assert image.size == (80, 48)
        colours = {tuple(colour) for colour in np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()}
    assert colours <= set(PANELS["spectra6"].measured)
    again = backend.admin.get(f"{path}&palette=measured", headers={"If-None-Match": shown.headers["etag"]})
    assert again.status_code == 304


def test_changed_panel_queues_the_photos_again(backend: server.BackendServer) -> None:
    saved(backend)
    image = backend.upload(jpeg(4), "photo.jpg")["id"]
    finish(start(backend))
    assert backend.sql("SELECT processing_status FROM images") == [("complete",)]
    saved(backend, panel="bwr", container="bmp")
    assert backend.sql("SELECT processing_status FROM images") == [("pending",)]
    finish(start(backend))
    (path,) = [row[0] for row in backend.sql("SELECT file_path FROM processed_images WHERE device_size = 'hall'")]
    assert path.endswith(".bmp")
    assert image in path
