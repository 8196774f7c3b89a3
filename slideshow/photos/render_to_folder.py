"""Rendering of a photo into the output folder of `slideshow render`."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from contract.files import write_atomically
from contract.messages.processing import Device, Palette
from contract.panel_files import with_palette
from contract.panels import PaletteKind
from contract.recipes import DEFAULT_FRAMING
from slideshow.photos.files import CannotRead, printable, read_photo

if TYPE_CHECKING:
    from processor.render.pipeline import RenderedImage, Variant

THUMBNAILS = "thumbnails"
PALETTES = "palettes"
MAX_NAME_BYTES = 240
"""File systems allow 255 bytes; a number and the extension follow."""
RESERVED_FOLDERS = (THUMBNAILS, PALETTES)

_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""Errors of a file system that does not accept a name: too long, or with characters such as a colon on FAT."""


class RenderedFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result for one photo: the paths of the written files, or the `error`."""

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
    """Content of a palette file. Colours are `#RRGGBB`; width and height are measured on the upright photo."""

    file: str
    width: int
    height: int
    orientation: str
    color_palette: Palette


def output_names(files: Sequence[Path]) -> list[str]:
    """Return a unique output name, without extension, for each file.

    The name is the file's own, cut to `MAX_NAME_BYTES`; duplicates get a number. Names are compared without case,
    because some file systems do not distinguish `A.jpg` from `a.jpg`.
    """
    taken: set[str] = set()
    names = []
    for file in files:
        stem = _cut(file.stem)
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _cut(stem: str) -> str:
    """Return the name cut to `MAX_NAME_BYTES` between two characters. Bytes that are not UTF-8 stay as they are."""
    data = os.fsencode(stem)
    if len(data) <= MAX_NAME_BYTES:
        return stem
    end = MAX_NAME_BYTES
    while data[end] & 0xC0 == 0x80 and end > MAX_NAME_BYTES - 4:  # inside a character of several bytes
        end -= 1
    return os.fsdecode(data[:end])


def render_file(
    file: Path, name: str, out: Path, devices: Sequence[Device], palette: PaletteKind = "nominal"
) -> RenderedFile:
    """Render `file` for all devices, and write the results below `out` under `name`.

    Indexed files get the `palette` of nominal or of measured colours.

    The result of a photo that cannot be read or rendered, or whose name the output folder does not accept, has an
    `error`.

    Raises:
        OSError: A result cannot be written for a reason that holds for every photo, such as a full disk.
    """
    from processor.errors import RenderError
    from processor.render.pipeline import render_image

    shown = printable(file)
    try:
        image = render_image(read_photo(file), devices, framing=DEFAULT_FRAMING, name=file.name)
    except (CannotRead, RenderError) as error:
        return RenderedFile(file=shown, error=str(error))
    try:
        return _write_results(image, shown, name, out, palette)
    except OSError as error:
        if error.errno not in _NAME_ERRORS:
            raise
        return RenderedFile(file=shown, error=f"{shown}: its results cannot be written to {out}: {error.strerror}")


def _write_results(image: RenderedImage, shown: str, name: str, out: Path, palette_kind: PaletteKind) -> RenderedFile:
    variants = {}
    for variant in image.variants:
        path = out / variant.device.name / f"{name}{_extension(variant.device)}"
        variants[variant.device.name] = str(_write(path, _recoloured(variant, palette_kind)))
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


def _recoloured(variant: Variant, palette: PaletteKind) -> bytes:
    panel = variant.device.panel
    return variant.data if panel is None else with_palette(variant.data, panel, palette)


def _extension(device: Device) -> str:
    return device.panel.extension if device.panel else ".jpg"


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return path
