"""Twelve generated sample photos of 12 megapixels, for a demo without photos. Each run generates the same files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.files import write_atomically
from slideshow.output import counted

if TYPE_CHECKING:
    from processor.codecs.vips import pyvips

SEED = 20_110
MEGAPIXELS = 12.0
QUALITY = 90
THREADS = 2
"""One photo per thread; more threads would only need more memory."""

ENLARGEMENT = 3
"""Scenes are painted at a third of the size, which takes a ninth of the time. A phone's photo has no finer detail."""
_GRAIN_TILE = 1024

# Counterclockwise quarter turns that the EXIF orientation reverses (Exif 2.32, tag 0x0112).
_QUARTER_TURNS = {1: 0, 3: 2, 6: 1, 8: 3}


@dataclass(frozen=True, slots=True)
class Sample:
    """A scene and its form.

    Attributes:
        name: The file name without extension.
        scene: A function of `slideshow.demo.scenes`.
        ratio: Width to height of the upright photo.
        grain: The sensor's noise: the standard deviation, in levels of 0 to 255.
        orientation: The EXIF orientation.
        grey: Save without colours.
    """

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
    """Generate the missing sample files in `folder`, and return all of them.

    Args:
        folder: Created if it does not exist.
        tell: Called with a sentence before files are generated, because that takes some seconds.
        megapixels: The size of each photo.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{sample.name}.jpg": sample for sample in SAMPLES}
    missing = [path for path in files if not path.exists()]
    if missing:
        tell(f"generating {counted(len(missing), 'sample photo')} in {folder}, only once")
        with ThreadPoolExecutor(THREADS, "sample") as pool:
            list(pool.map(lambda path: _write(path, files[path], megapixels), missing))
    return list(files)


def _write(path: Path, sample: Sample, megapixels: float) -> None:
    write_atomically(path, sample_jpeg(sample, megapixels))


def sample_jpeg(sample: Sample, megapixels: float = MEGAPIXELS) -> bytes:
    """Return the sample as a JPEG file."""
    data: bytes = sample_photo(sample, megapixels).jpegsave_buffer(Q=QUALITY)
    return data


def sample_photo(sample: Sample, megapixels: float = MEGAPIXELS) -> pyvips.Image:
    """Paint the scene, enlarge it, add grain at the full size, and set the EXIF orientation."""
    import numpy as np

    from processor.codecs.vips import pyvips
    from slideshow.demo import scenes
    from slideshow.demo.canvas import Canvas

    height = max(8, round((megapixels * 1e6 / sample.ratio) ** 0.5 / ENLARGEMENT))
    width = max(8, round(height * sample.ratio))
    random = np.random.default_rng((SEED, SAMPLES.index(sample)))
    canvas = Canvas(random, height, width)
    getattr(scenes, sample.scene)(canvas)
    pixels = np.clip(canvas.pixels, 0, 255).astype(np.uint8)
    stored = np.ascontiguousarray(np.rot90(pixels, _QUARTER_TURNS[sample.orientation]))
    image = pyvips.Image.new_from_array(stored).copy(interpretation="srgb")
    if sample.grey:
        image = image.extract_band(1).copy(interpretation="b-w")
    interpretation = image.interpretation
    image = image.resize(ENLARGEMENT, kernel="cubic")
    noise = random.normal(0, sample.grain, (_GRAIN_TILE, _GRAIN_TILE)).round().astype(np.int8)
    across, down = -(-image.width // _GRAIN_TILE), -(-image.height // _GRAIN_TILE)
    grain = pyvips.Image.new_from_array(noise).replicate(across, down).crop(0, 0, image.width, image.height)
    image = (image + grain).cast("uchar").copy(interpretation=interpretation)
    if sample.orientation != 1:
        image.set_type(pyvips.GValue.gint_type, "orientation", sample.orientation)
    return image
