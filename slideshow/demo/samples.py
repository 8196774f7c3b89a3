"""Twelve sample pictures for who has no photos at hand: 12 megapixels, JPEG, the same at every making."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slideshow.formatting import counted

if TYPE_CHECKING:
    from processor.codecs.vips import pyvips

SEED = 20_110
MEGAPIXELS = 12.0
QUALITY = 90
THREADS = 2
"""Painting is one picture a thread; more would only need more memory."""

ENLARGED = 3
"""Painted at a third of the size: the eye finds no more in a phone's photo, and painting costs a ninth."""
_GRAIN_TILE = 1024

# Quarter turns to the left that the EXIF orientation undoes (Exif 2.32, tag 0x0112).
_TURNS = {1: 0, 3: 2, 6: 1, 8: 3}


@dataclass(frozen=True, slots=True)
class Sample:
    """A scene; `ratio` is width to height of the upright picture, `grain` the sensor's noise (sigma of 0 to 255)."""

    name: str
    scene: str
    ratio: float = 4 / 3
    grain: float = 3.4
    orientation: int = 1
    grey: bool = False


SAMPLES = (
    Sample("sky", "sky"),
    Sample("leaves", "leaves"),
    Sample("portrait", "portrait", ratio=3 / 4),
    Sample("night", "night", ratio=3 / 2, grain=4.4),
    Sample("mist-grey", "mist", grey=True),
    Sample("sunset", "sunset", ratio=16 / 9),
    Sample("dunes-turned-3", "dunes", orientation=3),
    Sample("lake", "lake", ratio=3 / 2),
    Sample("meadow-turned-6", "meadow", ratio=3 / 4, orientation=6),
    Sample("house-square", "house", ratio=1.0),
    Sample("autumn-turned-8", "autumn", ratio=2 / 3, orientation=8),
    Sample("fruit", "fruit"),
)


def make_samples(folder: Path, tell: Callable[[str], None], *, megapixels: float = MEGAPIXELS) -> list[Path]:
    """The sample files in `folder`; those that are there are kept. `tell` hears that making them takes a while.

    Raises OSError if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{sample.name}.jpg": sample for sample in SAMPLES}
    missing = [path for path in files if not path.exists()]
    if missing:
        tell(f"making {counted(len(missing), 'sample picture')} in {folder}, once")
        with ThreadPoolExecutor(THREADS, "sample") as pool:
            list(pool.map(lambda path: _write(path, files[path], megapixels), missing))
    return list(files)


def _write(path: Path, sample: Sample, megapixels: float) -> None:
    """Written aside and renamed, so that an interrupted making leaves no half a picture."""
    aside = path.with_suffix(".part")
    aside.write_bytes(sample_jpeg(sample, megapixels))
    aside.replace(path)


def sample_jpeg(sample: Sample, megapixels: float = MEGAPIXELS) -> bytes:
    """The sample as a JPEG file."""
    data: bytes = sample_picture(sample, megapixels).jpegsave_buffer(Q=QUALITY)
    return data


def sample_picture(sample: Sample, megapixels: float = MEGAPIXELS) -> pyvips.Image:
    """The sample with its EXIF orientation. Painted small, enlarged, and given grain at full size."""
    import numpy as np

    from processor.codecs.vips import pyvips
    from slideshow.demo import scenes

    height = max(8, round((megapixels * 1e6 / sample.ratio) ** 0.5 / ENLARGED))
    width = max(8, round(height * sample.ratio))
    random = np.random.default_rng((SEED, SAMPLES.index(sample)))
    canvas = getattr(scenes, sample.scene)(random, height, width)
    stored = np.ascontiguousarray(np.rot90(np.clip(canvas, 0, 255).astype(np.uint8), _TURNS[sample.orientation]))
    image = pyvips.Image.new_from_array(stored).copy(interpretation="srgb")
    if sample.grey:
        image = image.extract_band(1).copy(interpretation="b-w")
    kind = image.interpretation
    image = image.resize(ENLARGED, kernel="cubic")
    noise = random.normal(0, sample.grain, (_GRAIN_TILE, _GRAIN_TILE)).round().astype(np.int8)
    across, down = -(-image.width // _GRAIN_TILE), -(-image.height // _GRAIN_TILE)
    grain = pyvips.Image.new_from_array(noise).replicate(across, down).crop(0, 0, image.width, image.height)
    image = (image + grain).cast("uchar").copy(interpretation=kind)
    if sample.orientation != 1:
        image.set_type(pyvips.GValue.gint_type, "orientation", sample.orientation)
    return image
