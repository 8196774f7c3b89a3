"""Pictures for devices, all cut from one base."""

from __future__ import annotations

import math

from processor.decode import Base
from processor.framing import (
    Box,
    box_to_stored,
    cover_crop,
    plan_axis,
    scale_box,
    upright_size,
)
from processor.header import Header
from processor.vips_setup import pyvips

_LONGEST_FILTER = 1 / 16
_BICUBIC_MARGIN = 4
"""Whole pixels around a part that is enlarged: more than the two on each side that bicubic looks at."""


def cut(base: Base, header: Header, width: int, height: int) -> pyvips.Image:
    """The centre of the photo, covering `width` x `height` upright pixels exactly, in memory.

    Works in stored orientation and turns only the result: turning the large picture costs many
    times as much. Made smaller by Lanczos 3; enlarged, where it must be, by libvips' bicubic.
    """
    box = cover_crop(header.upright_width, header.upright_height, width, height)
    stored = box_to_stored(box, header.upright_width, header.upright_height, header.orientation)
    placed = scale_box(stored, base.scale_x, base.scale_y)
    stored_width, stored_height = upright_size(width, height, header.orientation)
    if stored_width * stored_height > placed.width * placed.height:
        cut_out = _enlarge(base.image, placed, stored_width, stored_height)
    else:
        cut_out = _reduce(base.image, placed, stored_width, stored_height)
    return turn_upright(cut_out.copy_memory(), header.orientation)


def turn_upright(image: pyvips.Image, orientation: int) -> pyvips.Image:
    """Apply an EXIF orientation to a picture that lies in memory."""
    match orientation:
        case 2:
            return image.fliphor()
        case 3:
            return image.rot180()
        case 4:
            return image.flipver()
        case 5:
            return image.rot90().fliphor()
        case 6:
            return image.rot90()
        case 7:
            return image.rot270().fliphor()
        case 8:
            return image.rot270()
        case _:
            return image


def _reduce(image: pyvips.Image, box: Box, width: int, height: int) -> pyvips.Image:
    across = plan_axis(box.left, box.width, image.width, width)
    down = plan_axis(box.top, box.height, image.height, height)
    part = image.crop(across.first, down.first, across.count, down.count)
    # gap=0: no box average before the filter, which would cost sharpness and saves no time. Only far
    # below what any screen asks for is the filter too long without it.
    gap = 0 if min(across.scale, down.scale) > _LONGEST_FILTER else 2
    return part.resize(across.scale, vscale=down.scale, kernel="lanczos3", gap=gap)


def _enlarge(image: pyvips.Image, box: Box, width: int, height: int) -> pyvips.Image:
    """Bicubic, as libvips' own resize does it, but from a place given in fractions of a pixel.

    Cut out first, in whole pixels: libvips counts offsets in pixels of the result, and from ten million on
    shows the edge of the picture instead. The middle of a strip 3 pixels wide and 30,000 long lies beyond.
    """
    first_column, columns = _with_margin(box.left, box.width, image.width)
    first_row, rows = _with_margin(box.top, box.height, image.height)
    across, down = width / box.width, height / box.height
    return image.crop(first_column, first_row, columns, rows).affine(
        [across, 0, 0, down],
        interpolate=pyvips.Interpolate.new("bicubic"),
        oarea=[0, 0, width, height],
        # Pixel centres lie at whole numbers for an interpolator, and at halves for a box.
        odx=(across - 1) / 2 - across * (box.left - first_column),
        ody=(down - 1) / 2 - down * (box.top - first_row),
        extend="copy",
    )


def _with_margin(start: float, length: float, available: int) -> tuple[int, int]:
    """The first of the `available` pixels of an axis to keep, and how many."""
    first = min(max(math.floor(start) - _BICUBIC_MARGIN, 0), available - 1)
    end = min(math.ceil(start + length) + _BICUBIC_MARGIN, available)
    return first, max(end - first, 1)
