"""The photos of a run: a folder, or generated photos."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.core.results import SampleSet

CACHE = Path(__file__).resolve().parents[2] / "build" / "bench-samples"
"""Folder of generated photos, which are reused by later runs."""

QUALITY = 90
MEGAPIXELS = 12.0
_LARGE = ("leaves", "portrait", "lake")


@dataclass(frozen=True, slots=True)
class Photo:
    """One sample. Width and height are as stored, `turn` is the EXIF orientation, `format` is libvips' loader."""

    path: Path
    format: str
    width: int
    height: int
    turn: int
    progressive: bool
    file_bytes: int

    @property
    def name(self) -> str:
        """The file name, which results use."""
        return self.path.name

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.width * self.height / 1e6

    @property
    def group(self) -> str:
        """Format and size, such as "JPEG, 12 MP"."""
        kind = "progressive JPEG" if self.progressive and self.format == "jpeg" else self.format.upper()
        return f"{kind}, {self.megapixels:.0f} MP"

    def read(self) -> bytes:
        """Return the content of the file."""
        return self.path.read_bytes()


class NoSamples(Exception):
    """There is no photo to measure with. The message names the searched folder."""


def from_folder(folder: Path, report: Callable[[str], None]) -> tuple[Photo, ...]:
    """Return the photos of `folder` by name, without subfolders.

    A file that the renderer rejects is reported and left out.

    Raises:
        NoSamples: There is no photo.
    """
    if not folder.is_dir():
        raise NoSamples(f"{folder} is not a folder")
    photos = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            photo = _described(path, report)
            if photo is not None:
                photos.append(photo)
    if not photos:
        raise NoSamples(f"there is no photo in {folder}")
    return tuple(photos)


def generated(
    report: Callable[[str], None], folder: Path = CACHE, *, megapixels: float = MEGAPIXELS
) -> tuple[Photo, ...]:
    """Return generated photos of 12 and 24 megapixels, landscape, portrait and rotated. They compress like photos.

    They are stored in `folder`, and generated only if they are missing there.
    """
    from slideshow.demo.samples import SAMPLES, sample_photo

    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(sample, megapixels) for sample in SAMPLES if not sample.grey]
    wanted += [(sample, 2 * megapixels) for sample in SAMPLES if sample.name in _LARGE]
    photos = []
    for sample, size in wanted:
        path = folder / f"{sample.name}-{size:g}mp.jpg"
        if not path.exists():
            report(f"generating {path.name}, only once")
            unfinished = path.with_suffix(".part")
            # As a phone's camera encodes: chroma at half the size, about three bits per pixel.
            picture = sample_photo(sample, size)
            unfinished.write_bytes(picture.jpegsave_buffer(Q=QUALITY, subsample_mode="on"))
            unfinished.replace(path)
        photo = _described(path, report)
        if photo is not None:
            photos.append(photo)
    return tuple(sorted(photos, key=lambda photo: photo.name))


def sample_set(photos: Sequence[Photo], kind: str) -> SampleSet:
    """Return the summary of the photos for the run."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(hashlib.sha256(photo.read()).digest())
    return SampleSet(
        kind="folder" if kind == "folder" else "made",
        count=len(photos),
        bytes=sum(photo.file_bytes for photo in photos),
        digest=digest.hexdigest()[:16],
    )


def _described(path: Path, report: Callable[[str], None]) -> Photo | None:
    from processor.errors import RenderError
    from processor.render.header import read_header

    data = path.read_bytes()
    try:
        header = read_header(data, path.name)
    except RenderError as error:
        report(f"left out: {error}")
        return None
    return Photo(
        path=path,
        format=header.loader,
        width=header.width,
        height=header.height,
        turn=header.orientation,
        progressive=header.progressive,
        file_bytes=len(data),
    )
