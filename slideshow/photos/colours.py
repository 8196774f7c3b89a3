"""The colours of one photo file: palette, histogram and Material schemes, and a preview to show next to them."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from contract.messages.frames import ColourSchemes, SchemeVariant
from contract.messages.processing import Device, Histogram, Palette
from slideshow.photos.files import CannotRead, printable, read_photo

PREVIEW_SIDE = 320
"""Longest side of a preview in pixels."""


class PhotoColours(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The colours of a photo, or the `error`. Width and height are measured on the upright photo, in pixels."""

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
    """Extract the colours of a photo.

    Args:
        file: The photo.
        variant: The scheme variant; None selects the default one for the photo.
        contrast: The contrast of the schemes, -1 to 1.
        preview: Render a preview.

    Returns:
        The colours, and the preview: a JPEG of the whole photo, its longest side at most `PREVIEW_SIDE`. The preview
        is empty without `preview`, and for a photo that cannot be read or decoded; such a photo has an `error`.
    """
    from backend.colours.schemes import default_variant, schemes_of
    from contract.recipes import CENTRE
    from processor.errors import RenderError
    from processor.render.camera_raw import photo_in
    from processor.render.header import read_header
    from processor.render.limits import DEFAULT_LIMITS
    from processor.render.pipeline import render_image

    shown = printable(file)
    try:
        data = photo_in(read_photo(file), file.name)
        header = read_header(data, file.name, DEFAULT_LIMITS)
        width, height = fitted(header.upright_width, header.upright_height, PREVIEW_SIDE)
        devices = [Device(name="preview", width=width, height=height)] if preview else []
        image = render_image(data, devices, framing=CENTRE, name=file.name)
    except (CannotRead, RenderError) as error:
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


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height scaled down so that the longest side is at most `side` pixels."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
