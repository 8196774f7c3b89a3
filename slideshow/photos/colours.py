"""The colours of one photo file: palette, histogram and schemes, and a preview to look at beside them."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from contract.messages.frames import ColourSchemes, SchemeVariant
from contract.messages.processing import Device, Histogram, Palette
from slideshow.photos.reading import CannotRead, printable, read_photo

PREVIEW_SIDE = 320
"""Longest side of a preview in pixels."""


class PhotoColours(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of one photo: its colours, or the `error`. The size is that of the upright photo in pixels."""

    file: str
    width: int = 0
    height: int = 0
    orientation: str = ""
    color_palette: Palette | None = None
    schemes: ColourSchemes | None = None
    histogram: Histogram = {}
    error: str | None = None


def colours_of_file(
    file: Path, variant: SchemeVariant | None, contrast: float, *, preview: bool
) -> tuple[PhotoColours, bytes]:
    """The colours of a photo, with the schemes of `variant` or else the one that suits it; and a JPEG.

    The JPEG shows the whole photo, its longest side at most `PREVIEW_SIDE`; it is empty without `preview`, and for
    a photo that cannot be read or decoded, which comes back with its `error`.
    """
    from backend.colours.schemes import default_variant, schemes_of
    from contract.recipes import CENTRE
    from processor.errors import RenderError
    from processor.render.header import read_header
    from processor.render.limits import DEFAULT_LIMITS
    from processor.render.pipeline import render_image

    shown = printable(file)
    try:
        data = read_photo(file)
    except CannotRead as error:
        return PhotoColours(file=shown, error=str(error)), b""
    try:
        header = read_header(data, file.name, DEFAULT_LIMITS)
        screens = [_preview_screen(header.upright_width, header.upright_height)] if preview else []
        image = render_image(data, screens, framing=CENTRE, name=file.name)
    except RenderError as error:
        return PhotoColours(file=shown, error=str(error)), b""
    colours = PhotoColours(
        file=shown,
        width=image.width,
        height=image.height,
        orientation=image.orientation,
        color_palette=image.palette,
        schemes=schemes_of(image.palette.source_color, variant or default_variant(image.palette), contrast),
        histogram=image.histogram,
    )
    return colours, image.variants[0].data if preview else b""


def _preview_screen(width: int, height: int) -> Device:
    scale = min(1.0, PREVIEW_SIDE / max(width, height))
    return Device(name="preview", width=max(1, round(width * scale)), height=max(1, round(height * scale)))
