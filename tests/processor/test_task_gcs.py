"""The whole way of a photo over Google Cloud Storage's client, while the network and the service misbehave."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from gcs_world import BUCKET, GcsWorld, gcs_world
from task_world import DEVICES, jpeg

from bench.cloud.gcs_faults import Fault
from bench.cloud.gcs_server import MIXED
from contract import object_names
from contract.recipes import recipe, thumbnail_recipe
from contract.sidecars import Sidecar
from processor.render import render_image


def wanted_objects(photos: dict[str, bytes]) -> dict[str, bytes]:
    """What must lie in the bucket for these photos, sidecars left out, by name."""
    wanted = {}
    for image_id, data in photos.items():
        wanted[object_names.original(image_id, ".jpg")] = data
        rendered = render_image(data, DEVICES)
        wanted[object_names.thumbnail(image_id, thumbnail_recipe())] = rendered.thumbnail
        for variant in rendered.variants:
            device = variant.device
            name = object_names.variant(str(device.key), image_id, recipe(device.width, device.height))
            wanted[name] = variant.data
    return wanted


def states(world: GcsWorld) -> dict[str, int]:
    counts: dict[str, int] = {}
    page = world.client.get("/api/images", params={"limit": 500}).json()["images"]
    for image in page:
        counts[image["processingStatus"]] = counts.get(image["processingStatus"], 0) + 1
    return counts


@pytest.mark.timeout(400)
@pytest.mark.parametrize("count", [24, pytest.param(200, marks=pytest.mark.long)])
def test_under_faults_all_is_complete_and_every_byte_right(tmp_path: Path, count: int) -> None:
    with gcs_world(tmp_path) as world:
        for device in DEVICES:
            world.add_device(device)
        world.server.faults.draw(0.15, *MIXED)
        pictures = [jpeg(number, 200, 150) for number in range(count)]
        photos = {world.upload(data, f"photo {number}.jpg"): data for number, data in enumerate(pictures)}
        assert len(photos) == count
        world.server.faults.order("read", *MIXED, Fault("corrupt"))  # what is drawn may leave one out
        said = world.run_tasks(2)
        world.server.faults.draw(0.0)
        assert states(world) == {"complete": count}, said
        assert set(world.server.faults.met) == {fault.kind for fault in MIXED}
        assert "arrived damaged and is fetched again" in "".join(said)
        kinds = (object_names.ORIGINALS, object_names.PROCESSED, object_names.THUMBNAILS)
        found = {name: data for kind in kinds for name, data in world.objects(kind).items()}
        assert found == wanted_objects(photos)
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
