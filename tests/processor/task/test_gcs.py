"""The whole path of a photo over the client of Google Cloud Storage, with faults of network and service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from contract import object_names
from contract.messages.sidecars import Sidecar
from contract.recipes import recipe, thumbnail_recipe
from emulators.cloud_storage.faults import Fault
from emulators.cloud_storage.server import MIXED
from processor.render.pipeline import render_image
from tests.support.gcs_world import BUCKET, GcsWorld, gcs_world
from tests.support.task_world import DEVICES, jpeg

pytestmark = pytest.mark.server

KINDS = (object_names.ORIGINALS, object_names.PROCESSED, object_names.THUMBNAILS)


def pictures_in(world: GcsWorld) -> dict[str, bytes]:
    """Return originals, variants and thumbnails in the bucket, by name."""
    return {name: data for kind in KINDS for name, data in world.objects(kind).items()}


def rendered_without_faults(photos: dict[str, bytes]) -> dict[str, bytes]:
    """Return the objects that the renderer alone makes from these photos, which are given by image id."""
    expected = {}
    for image_id, data in photos.items():
        rendered = render_image(data, DEVICES)
        expected[object_names.original(image_id, ".jpg")] = data
        expected[object_names.thumbnail(image_id, thumbnail_recipe(None))] = rendered.thumbnail
        for variant in rendered.variants:
            name = object_names.variant(str(variant.device.key), image_id, recipe(variant.width, variant.height))
            expected[name] = variant.data
    return expected


def states(world: GcsWorld) -> dict[str, int]:
    counts: dict[str, int] = {}
    page = world.client.get("/api/images", params={"limit": 500}).json()["images"]
    for image in page:
        counts[image["processingStatus"]] = counts.get(image["processingStatus"], 0) + 1
    return counts


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("count", "tasks"), [(12, 1), pytest.param(200, 2, marks=pytest.mark.long)])
def test_task_with_storage_faults_completes_with_correct_bytes(tmp_path: Path, count: int, tasks: int) -> None:
    with gcs_world(tmp_path) as world, ThreadPoolExecutor(4) as uploaders:
        for device in DEVICES:
            world.add_device(device)
        world.server.faults.draw(0.15, *MIXED)
        pictures = [jpeg(number, 200, 150) for number in range(count)]
        photos = dict(zip(uploaders.map(lambda data: world.upload(data, "photo.jpg"), pictures), pictures, strict=True))
        assert len(photos) == count
        world.server.faults.order("read", *MIXED, Fault("corrupt"))  # the random faults may leave one out
        logs = world.run_tasks(tasks)
        world.server.faults.draw(0.0)
        assert states(world) == {"complete": count}, logs
        assert set(world.server.faults.met) == {fault.kind for fault in MIXED}
        assert "arrived damaged" in "".join(logs)
        found, expected = pictures_in(world), rendered_without_faults(photos)
        assert len(expected) == count * (2 + len(DEVICES))
        assert {name for name in {**found, **expected} if found.get(name) != expected.get(name)} == set()
        sidecars = [msgspec.json.decode(data, type=Sidecar) for data in world.objects("images/metadata/").values()]
        assert {sidecar.image_id for sidecar in sidecars} == set(photos)
        assert all(
            result.file_path.removeprefix(f"gs://{BUCKET}/") in found
            for sidecar in sidecars
            for result in sidecar.results
        )
        report = world.tick()
        assert report["errors"] == []
        assert report["synced"] == count
        assert set(world.objects("images/metadata/")) == set(world.objects("images/metadata/archive/"))
