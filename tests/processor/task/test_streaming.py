"""Photos that are rendered during their download: the same variants, and none from a damaged download."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable

import pytest
from PIL import Image

from contract import object_names
from contract.bucket.open import open_bucket
from contract.bucket.port import BucketUnavailable, ByteWriter
from contract.messages.processing import Device
from contract.recipes import recipe
from emulators.cloud_storage.faults import Fault
from emulators.cloud_storage.server import GcsServer
from processor.codecs.download_buffer import DownloadBuffer, DownloadFailed, fill
from processor.errors import RenderError
from processor.render.pipeline import RenderedImage, render_image
from processor.task.image_job import Outcome
from tests.support.task_world import DEVICES, World, jpeg

pytestmark = pytest.mark.server

PIECE = 3000
SCREENS = (*DEVICES, Device(name="large", width=900, height=700))


def photo(kind: str, size: tuple[int, int] = (1600, 1200), mode: str = "RGB", **how: object) -> bytes:
    mask = Image.radial_gradient("L").resize(size)
    grain = Image.effect_noise(size, 40)
    picture = Image.merge("RGB", (mask, grain, mask.transpose(Image.Transpose.ROTATE_180)))
    out = io.BytesIO()
    picture.convert(mode).save(out, kind, **how)
    return out.getvalue()


PHOTOS: dict[str, Callable[[], bytes]] = {
    "plain": lambda: photo("JPEG", subsampling=2),
    "a side that a shrink does not divide": lambda: photo("JPEG", (1603, 1201)),
    "progressive": lambda: photo("JPEG", progressive=True),
    "grey": lambda: photo("JPEG", mode="L"),
    "CMYK": lambda: photo("JPEG", mode="CMYK"),
    "cut off": lambda: photo("JPEG")[:-2000],
    "damaged": lambda: photo("JPEG")[:9000] + bytes(500) + photo("JPEG")[9500:],
    "PNG": lambda: photo("PNG", (600, 400)),
    "PNG, a side that a shrink does not divide": lambda: photo("PNG", (1603, 1201)),
    "WebP": lambda: photo("WEBP", (600, 400)),
    "TIFF": lambda: photo("TIFF", (600, 400)),
    "AVIF": lambda: photo("AVIF", (600, 400)),
    "nothing": lambda: b"",
    "no picture": lambda: b"text " * 2000,
}


def outcome_of(data: bytes | DownloadBuffer) -> RenderedImage | str:
    try:
        return render_image(data, SCREENS)
    except RenderError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", PHOTOS)
def test_render_image_during_download_equals_complete_file(kind: str) -> None:
    data = PHOTOS[kind]()
    buffer = DownloadBuffer(len(data))

    def feed() -> None:
        for start in range(0, len(data), PIECE):
            buffer.write(data[start : start + PIECE])
            time.sleep(0.0002)
        time.sleep(0.05)  # the end comes later than the last byte, as it does when a checksum is verified
        buffer.end(complete=True)

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        assert outcome_of(buffer) == outcome_of(data)
    finally:
        feeding.join(10)


def test_download_buffer_abandoned_ends_the_download(world: World) -> None:
    world.bucket.create("x", os.urandom(2_000_000), "image/jpeg")
    buffer = DownloadBuffer(2_000_000)
    buffer.abandon()
    fill(buffer, world.bucket, "x", 10**9)
    assert buffer.count == 0
    assert not buffer.complete
    with pytest.raises(DownloadFailed):
        buffer.content()


def test_job_announces_the_attempt_during_the_download(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record = world.add(photo("JPEG"), "slow.jpg")
    download_to, seen = world.bucket.download_to, []

    def slow(name: str, writer: ByteWriter, limit: int | None = None) -> None:
        class Slow:
            def write(self, data: bytes) -> None:
                half = len(data) // 2
                writer.write(data[:half])
                deadline = time.monotonic() + 10
                while not any("/start" in path for _, path in world.server.calls) and time.monotonic() < deadline:
                    time.sleep(0.01)
                seen.append(time.monotonic() < deadline)
                writer.write(data[half:])

        download_to(name, Slow(), limit)

    monkeypatch.setattr(world.bucket, "download_to", slow)
    code, task = world.run(streams=True)
    assert (code, task.counts) == (0, {Outcome.COMPLETE: 1})
    assert seen[0]
    assert record.reports == 1


def pictures_of(world: World, image_id: str) -> list[bytes]:
    names = (object_names.variant(str(one.key), image_id, recipe(one.width, one.height)) for one in DEVICES)
    return [world.bucket.read(name) for name in names]


@pytest.mark.parametrize("streams", [True, False])
def test_job_damaged_download_is_repeated_and_its_result_discarded(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, streams: bool
) -> None:
    """Downloads by the real client over HTTP: corrupted, broken off, corrupted again."""
    with GcsServer("photos") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        world.bucket = open_bucket("gs://photos")  # type: ignore[assignment]
        photos = [photo("JPEG", quality=80 + number) for number in range(3)]
        records = [world.add(data, f"{number}.jpg") for number, data in enumerate(photos)]
        for record, data in zip(records, photos, strict=True):
            record.byte_size = len(data)
        server.requests.clear()
        corrupt = Fault("corrupt")
        server.faults.order("read", corrupt, Fault("broken", after=20_000), corrupt)
        code, task = world.run(streams=streams)
        assert (code, task.counts) == (0, {Outcome.COMPLETE: 3})
        assert server.faults.met == {"corrupt": 2, "broken": 1}
        assert server.requests["stat"] <= 1, "the claim has the size; only a download that broke off needs the checksum"
        for record, data in zip(records, photos, strict=True):
            expected = render_image(data, DEVICES)
            assert pictures_of(world, record.id) == [variant.data for variant in expected.variants]
            assert record.attempts == 1, "a repeated download is not another attempt"
        assert ("discarded" in caplog.text) == streams


def test_job_download_that_never_completes_returns_the_image(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record = world.add(jpeg(1), "photo.jpg")

    def broken(name: str, writer: ByteWriter, limit: int | None = None) -> None:
        writer.write(jpeg(1)[:900])
        raise BucketUnavailable(name, "it broke off")

    def unavailable(name: str, limit: int | None = None) -> bytes:
        raise BucketUnavailable(name, "it does not answer")

    monkeypatch.setattr(world.bucket, "download_to", broken)
    monkeypatch.setattr(world.bucket, "read", unavailable)
    code, task = world.run(streams=True, limit=30, meanwhile=lambda task: task.stop() if task.counts else None)
    assert code == 0
    assert set(task.counts) == {Outcome.HANDED_BACK}
    assert (record.state, record.rows, record.strikes) == ("pending", {}, 0)
