"""Turning a photo by hand: its pictures are made again, the choice persists, and four turns restore the first names."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from contract import object_names
from slideshow.__main__ import main
from tests.support import frame_library, server
from tests.support.pictures import encoded, scene
from tests.support.server import problem
from tests.support.task_calls import report

pytestmark = pytest.mark.server

DEVICES = {"wide": (160, 96), "tall": (60, 100)}


@pytest.fixture
def real(tmp_path: Path) -> Iterator[server.BackendServer]:
    """Return a backend with two frames, of which one shows pairs."""
    with server.running(tmp_path / "data", LEASE_SECONDS="30") as backend:
        for name, (width, height) in DEVICES.items():
            backend.add_device(name, width, height, pairing=name == "wide")
        yield backend


def run_task(backend: server.BackendServer) -> None:
    """Run one real task, to its end."""
    environ = {
        **os.environ,
        "BUCKET_URL": backend.bucket.as_uri(),
        "BACKEND_API_URL": backend.url,
        "BACKEND_AUTH_TOKEN": backend.secrets["processor_token"],
        "CLOUD_RUN_EXECUTION": "run-by-a-test",
        "CLOUD_RUN_TASK_INDEX": "0",
        "CLOUD_RUN_TASK_COUNT": "1",
        "SLIDESHOW_LOCAL_TASK": "1",
        "RENDER_THREADS": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "processor"], env=environ, capture_output=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()


def info(backend: server.BackendServer, image: str) -> dict[str, Any]:
    found: dict[str, Any] = backend.admin.get(f"/api/images/{image}").json()
    return found


def turn(backend: server.BackendServer, image: str, quarters: int) -> None:
    backend.admin.put(f"/api/images/{image}/turn", json={"turn": quarters}).raise_for_status()


def pictures(backend: server.BackendServer, image: str) -> dict[str, tuple[str, bytes]]:
    """Return object name and bytes of each current variant, and of the thumbnail, by device."""
    found = info(backend, image)
    paths = {variant["deviceSize"]: variant["filePath"] for variant in found["variants"]}
    paths["thumbnail"] = found["thumbnailPath"]
    names = {key: path.removeprefix(backend.bucket.as_uri() + "/") for key, path in paths.items()}
    return {key: (name, (backend.bucket / name).read_bytes()) for key, name in names.items()}


def test_photo_turned_four_times_has_its_first_names_and_bytes(real: server.BackendServer) -> None:
    upright = scene(320, 200)
    image = real.upload(encoded(upright))["id"]
    twins = [real.upload(encoded(np.ascontiguousarray(np.rot90(upright, -quarters))))["id"] for quarters in (1, 2, 3)]
    run_task(real)
    first, found = pictures(real, image), info(real, image)["foundFocus"]
    assert first.keys() == {"wide", "tall", "tall/half", "thumbnail"} - {"tall/half"}
    seen = {name for name, _ in first.values()}
    for quarters in (1, 2, 3):
        turn(real, image, quarters)
        waiting = info(real, image)
        assert waiting["processingStatus"] == "pending"
        assert (waiting["width"], waiting["height"]) == ((200, 320) if quarters % 2 else (320, 200))
        assert waiting["orientation"] == ("portrait" if quarters % 2 else "landscape")
        assert waiting["variants"], "the old pictures are shown until the new ones are made"
        run_task(real)
        turned, twin = pictures(real, image), pictures(real, twins[quarters - 1])
        assert info(real, image)["processingStatus"] == "complete"
        assert turned.keys() == twin.keys()
        assert ("wide/half" in turned) == (quarters % 2 == 1)
        for key, (name, data) in turned.items():
            assert name not in seen
            with Image.open(io.BytesIO(data)) as ours, Image.open(io.BytesIO(twin[key][1])) as theirs:
                assert ours.size == theirs.size
                difference = np.abs(np.asarray(ours, np.int16) - np.asarray(theirs, np.int16))
            assert difference.mean() < 4, key
        seen |= {name for name, _ in turned.values()}
    turn(real, image, 0)
    run_task(real)
    assert pictures(real, image) == first
    assert info(real, image)["foundFocus"] == found
    report = CliRunner().invoke(main, ["verify", "--data", str(real.data), "--json"])
    assert report.exit_code == 0, report.output


def test_rebuild_keeps_the_turn(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server.running(data) as backend:
        backend.add_device("wide", 160, 96)
        image = backend.upload(encoded(scene(320, 200)))["id"]
        backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.25, "y": 0.5}).raise_for_status()
        turn(backend, image, 3)
        run_task(backend)
        before = info(backend, image)
        names = pictures(backend, image)
        record = json.loads((backend.bucket / object_names.record(image)).read_bytes())
    assert (record["turn"], record["width"], record["height"], record["orientation"]) == (3, 200, 320, "portrait")
    (data / "slideshow.db").unlink()
    ran = CliRunner().invoke(main, ["rebuild", "--data", str(data)])
    assert ran.exit_code == 0, ran.output
    with server.running(data) as backend:
        after = info(backend, image)
        assert pictures(backend, image) == names
    assert (after["turn"], after["focus"], after["orientation"]) == (3, [0.5, 0.75], "portrait")
    assert after == before


def test_pairs_and_filters_follow_the_turn(backend: server.BackendServer) -> None:
    backend.add_device("screen", 160, 96, pairing=True)
    backend.add_device("portraits", 60, 100, filters={"orientations": ["portrait"]})
    photos = frame_library.upload(backend, wide=2)
    frame_library.render(backend, backend.claim("run/0"))

    def shown(device: str) -> list[set[str]]:
        entries = frame_library.queue(backend.admin, device)
        return [{entry["imageId"], entry["pairedWith"] or entry["imageId"]} for entry in entries]

    assert sorted(map(sorted, shown("screen"))) == sorted([photo] for photo in photos)
    assert shown("portraits") == []
    answer = backend.admin.post("/api/admin/turn", json={"ids": [*photos, photos[0], "0" * 32], "quarters": 1})
    assert answer.json() == {"turned": 2}
    claimed = backend.claim("run/1")
    assert [(image["turn"], image["orientation"]) for image in claimed] == [(1, "portrait")] * 2
    assert {item["device"] for image in claimed for item in image["work"]} == {"screen", "screen/half", "portraits"}
    frame_library.render(backend, claimed)
    assert shown("screen") == [set(photos)]
    assert sorted(map(sorted, shown("portraits"))) == sorted([photo] for photo in photos)
    backend.admin.post("/api/admin/turn", json={"ids": list(photos), "quarters": 3}).raise_for_status()
    assert not backend.sql("SELECT 1 FROM processed_images WHERE device_size = 'screen/half'")
    frame_library.render(backend, backend.claim("run/2"))
    assert sorted(map(sorted, shown("screen"))) == sorted([photo] for photo in photos)
    assert shown("portraits") == []


def test_turn_moves_focal_points_exactly(backend: server.BackendServer, image: str) -> None:
    first = backend.render(*backend.claim("run/0"))
    first["outcomes"][0]["foundFocus"] = [0.1234, 0.9]
    report(backend, first)
    backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.3333, "y": 0.0001}).raise_for_status()
    expected = [([0.9999, 0.3333], [0.1, 0.1234]), ([0.6667, 0.9999], [0.8766, 0.1]), ([0.0001, 0.6667], [0.9, 0.8766])]
    for quarters, points in enumerate(expected, 1):
        turn(backend, image, quarters)
        assert (info(backend, image)["focus"], info(backend, image)["foundFocus"]) == points
    turn(backend, image, 0)
    assert (info(backend, image)["focus"], info(backend, image)["foundFocus"]) == ([0.3333, 0.0001], [0.1234, 0.9])


def test_turn_rejects_results_in_progress_and_older_sidecars(backend: server.BackendServer, image: str) -> None:
    late = backend.render(*backend.claim("run/0"))
    turn(backend, image, 1)
    assert report(backend, late)["inserted"] == 0
    assert backend.state(image) == "pending"
    backend.finish(backend.claim("run/1"))
    turn(backend, image, 1)
    assert backend.state(image) == "complete", "the same turn again changes nothing"
    row = backend.sql("SELECT file_path, recipe FROM processed_images")[0]
    colours = ["#102030"] * 8
    sidecar: dict[str, Any] = {
        "imageId": image,
        "processedAt": "2026-01-02T03:04:05Z",
        "results": [
            {
                "deviceSize": "frame", "width": 80, "height": 48, "filePath": row[0], "colors": colours,
                "primary": colours[0], "secondary": colours[0], "tertiary": colours[0], "recipe": row[1],
            }
        ],
    }  # fmt: skip
    turn(backend, image, 2)
    for value, state in ((0, "pending"), (1, "pending"), (2, "complete")):
        backend.store(object_names.sidecar(image), json.dumps(sidecar | {"turn": value}).encode())
        backend.admin.post("/api/admin/sync").raise_for_status()
        assert backend.state(image) == state


def test_turn_invalid_value_or_unknown_photo_is_rejected(backend: server.BackendServer, image: str) -> None:
    for body in ({"turn": 4}, {"turn": -1}, {"turn": 0.5}, {}):
        assert "turn" in problem(backend.admin.put(f"/api/images/{image}/turn", json=body), 422)
    unknown = "0" * 32
    assert unknown in problem(backend.admin.put(f"/api/images/{unknown}/turn", json={"turn": 1}), 404)
    for body in ({"ids": []}, {"ids": [image], "quarters": 0}, {"ids": ["x"]}):
        problem(backend.admin.post("/api/admin/turn", json=body), 422)
    assert backend.admin.post("/api/admin/turn", json={"ids": [unknown]}).json() == {"turned": 0}
    problem(backend.anonymous.put(f"/api/images/{image}/turn", json={"turn": 1}), 401)
    problem(backend.anonymous.post("/api/admin/turn", json={"ids": [image]}), 401)


def test_turn_by_command_line(backend: server.BackendServer, tmp_path: Path) -> None:
    by_name = backend.upload(frame_library.picture(1, 64, 48, None), "beach day.jpg")["id"]
    by_id = backend.upload(frame_library.picture(2, 64, 48, None), "same.jpg")["id"]
    backend.upload(frame_library.picture(3, 64, 48, None), "same.jpg")
    password = tmp_path / "password"
    password.write_text(backend.secrets["admin_password"])
    access = ["--url", backend.url, "--password-file", str(password)]
    ran = CliRunner().invoke(main, ["turn", "beach day.jpg", by_id, by_id, *access])
    assert (ran.exit_code, ran.stdout) == (0, "turned 2 photos by 90 degrees\n")
    ran = CliRunner().invoke(main, ["turn", "beach day.jpg", "--by", "270", "--json", *access])
    assert (ran.exit_code, json.loads(ran.stdout)) == (0, {"turned": 1})
    assert (info(backend, by_name)["turn"], info(backend, by_id)["turn"]) == (0, 1)
    for name, sentence in (
        ("same.jpg", "2 photos are called 'same.jpg'"),
        ("gone.jpg", "there is no photo 'gone.jpg'"),
    ):
        ran = CliRunner().invoke(main, ["turn", name, *access])
        assert ran.exit_code == 2
        assert sentence in ran.stderr
