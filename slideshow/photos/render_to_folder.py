"""Where the pictures of `slideshow render` go, and how one photo's get there."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from contract.messages.processing import Device, Palette
from contract.recipes import DEFAULT_FRAMING
from slideshow.photos.reading import CannotRead, printable, read_photo

THUMBNAILS = "thumbnails"
PALETTES = "palettes"
TAKEN_FOLDERS = (THUMBNAILS, PALETTES)


class RenderedFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one photo: paths of what was written, or the `error`."""

    file: str
    width: int = 0
    height: int = 0
    orientation: str = ""
    variants: dict[str, str] = {}
    thumbnail: str = ""
    palette: str = ""
    colours: tuple[str, ...] = ()
    error: str | None = None


class PaletteFile(Struct, frozen=True, kw_only=True, rename="camel"):
    """The JSON beside the pictures; colours are `#RRGGBB`, the size is that of the upright photo."""

    file: str
    width: int
    height: int
    orientation: str
    color_palette: Palette


def output_names(files: Sequence[Path]) -> list[str]:
    """A name without extension for each file: its own, and where two would share one, with a number behind.

    Compared without case, because some file systems do not tell `A.jpg` from `a.jpg`.
    """
    taken: set[str] = set()
    names = []
    for file in files:
        name, number = file.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{file.stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def render_file(file: Path, name: str, out: Path, devices: Sequence[Device]) -> RenderedFile:
    """Render `file` for all devices, and write what comes of it below `out` under `name`.

    A photo that cannot be read or rendered comes back with its `error`. Raises OSError if `out` cannot be written.
    """
    from processor.errors import RenderError
    from processor.render.pipeline import render_image

    shown = printable(file)
    try:
        data = read_photo(file)
    except CannotRead as error:
        return RenderedFile(file=shown, error=str(error))
    try:
        image = render_image(data, devices, framing=DEFAULT_FRAMING, name=file.name)
    except RenderError as error:
        return RenderedFile(file=shown, error=str(error))
    variants = {
        variant.device.name: str(_write(out / variant.device.name / f"{name}.jpg", variant.data))
        for variant in image.variants
    }
    palette = PaletteFile(
        file=shown,
        width=image.width,
        height=image.height,
        orientation=image.orientation,
        color_palette=image.palette,
    )
    return RenderedFile(
        file=shown,
        width=image.width,
        height=image.height,
        orientation=image.orientation,
        variants=variants,
        thumbnail=str(_write(out / THUMBNAILS / f"{name}.jpg", image.thumbnail)),
        palette=str(_write(out / PALETTES / f"{name}.json", msgspec.json.encode(palette) + b"\n")),
        colours=image.palette.all_colors,
    )


def _write(path: Path, data: bytes) -> Path:
    """Written aside and renamed: whoever looks on sees no half a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{os.getpid()}-{threading.get_ident()}.part")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path
