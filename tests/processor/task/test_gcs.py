"""The whole way of a photo over Google Cloud Storage's client, while the network and the service misbehave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from contract import object_names
from contract.messages.sidecars import Sidecar
from contract.recipes import DEFAULT_FRAMING, recipe, thumbnail_recipe
from emulators.cloud_storage.faults import Fault
from emulators.cloud_storage.server import MIXED
from processor.render.pipeline import render_image
from tests.support.gcs_world import BUCKET, GcsWorld, gcs_world
from tests.support.task_world import DEVICES, jpeg

pytestmark = pytest.mark.server

KINDS = (object_names.ORIGINALS, object_names.PROCESSED, object_names.THUMBNAILS)


def pictures_in(world: GcsWorld) -> dict[str, bytes]:
    """Originals, variants and thumbnails that lie in the bucket, by name."""
    return {name: data for kind in KINDS for name, data in world.objects(kind).items()}


def made_without_faults(photos: dict[str, bytes]) -> dict[str, bytes]:
    """The same, as the renderer alone makes it of these photos, by image id."""
    wanted = {}
    for image_id, data in photos.items():
        rendered = render_image(data, DEVICES, framing=DEFAULT_FRAMING)
        wanted[object_names.original(image_id, ".jpg")] = data
        wanted[object_names.thumbnail(image_id, thumbnail_recipe(None))] = rendered.thumbnail
        for made in rendered.variants:
            asked = recipe(made.width, made.height)
            wanted[object_names.variant(str(made.device.key), image_id, asked)] = made.data
    return wanted


def states(world: GcsWorld) -> dict[str, int]:
    counts: dict[str, int] = {}
    page = world.client.get("/api/images", params={"limit": 500}).json()["images"]
    for image in page:
        counts[image["processingStatus"]] = counts.get(image["processingStatus"], 0) + 1
    return counts


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("count", "tasks"), [(12, 1), pytest.param(200, 2, marks=pytest.mark.long)])
def test_under_faults_all_is_complete_and_every_byte_right(tmp_path: Path, count: int, tasks: int) -> None:
    with gcs_world(tmp_path) as world, ThreadPoolExecutor(4) as uploaders:
        for device in DEVICES:
            world.add_device(device)
        world.server.faults.draw(0.15, *MIXED)
        pictures = [jpeg(number, 200, 150) for number in range(count)]
        photos = dict(zip(uploaders.map(lambda data: world.upload(data, "photo.jpg"), pictures), pictures, strict=True))
        assert len(photos) == count
        world.server.faults.order("read", *MIXED, Fault("corrupt"))  # what is drawn may leave one out
        said = world.run_tasks(tasks)
        world.server.faults.draw(0.0)
        assert states(world) == {"complete": count}, said
        assert set(world.server.faults.met) == {fault.kind for fault in MIXED}
        assert "arrived damaged" in "".join(said)
        found, wanted = pictures_in(world), made_without_faults(photos)
        assert len(wanted) == count * (2 + len(DEVICES))
        assert {name for name in {**found, **wanted} if found.get(name) != wanted.get(name)} == set()
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
