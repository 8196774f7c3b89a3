"""What part of a picture a device shows: pure geometry, no pixels.

Coordinates are continuous and in pixels: pixel i covers [i, i + 1). A *stored* picture is as the
file holds it; the *upright* one is as a person sees it, after the EXIF orientation (1 to 8, table
"Orientation" of the EXIF 2.32 standard, tag 0x0112) has been applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHRINKS = (8, 4, 2, 1)
"""The factors at which JPEG decoders can leave out detail (DCT scaling), largest first."""

PROXY_SIDE = 256
"""Longest side, in pixels, of the small copy that colours are taken from."""

_EDGE = 3
"""Pixels kept around a crop that is enlarged, so that the interpolator sees true neighbours."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; fractions are allowed."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """How one axis gets from a base to `target` pixels with nothing but whole-pixel crops.

    Take `count` pixels from `first`, resize by `scale`, leave out the first `skip` results.
    """

    first: int
    count: int
    scale: float
    skip: int


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places between stored and upright."""
    return orientation >= 5


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """(width, height) of the upright picture; its own inverse."""
    return (height, width) if swaps_sides(orientation) else (width, height)


def cover_scale(width: float, height: float, target_width: int, target_height: int) -> float:
    """The factor by which the picture is resized so that it just covers the target."""
    return max(target_width / width, target_height / height)


def cover_crop(width: int, height: int, target_width: int, target_height: int) -> Box:
    """The largest box around the centre of the picture that has the target's aspect ratio.

    All sizes are at least 1. The box touches two opposite sides of the picture exactly.
    """
    if width * target_height > height * target_width:
        box_width = height * target_width / target_height
        return Box((width - box_width) / 2, 0.0, box_width, float(height))
    box_height = width * target_height / target_width
    return Box(0.0, (height - box_height) / 2, float(width), box_height)


def box_to_stored(box: Box, width: int, height: int, orientation: int) -> Box:
    """Where a box of the upright picture, which is `width` x `height`, lies in the stored one."""
    from_right = width - box.left - box.width
    from_bottom = height - box.top - box.height
    match orientation:
        case 2:
            return Box(from_right, box.top, box.width, box.height)
        case 3:
            return Box(from_right, from_bottom, box.width, box.height)
        case 4:
            return Box(box.left, from_bottom, box.width, box.height)
        case 5:
            return Box(box.top, box.left, box.height, box.width)
        case 6:
            return Box(box.top, from_right, box.height, box.width)
        case 7:
            return Box(from_bottom, from_right, box.height, box.width)
        case 8:
            return Box(from_bottom, box.left, box.height, box.width)
        case _:
            return box


def scale_box(box: Box, factor_x: float, factor_y: float) -> Box:
    """The same box in the coordinates of a picture resized by the factors."""
    return Box(box.left * factor_x, box.top * factor_y, box.width * factor_x, box.height * factor_y)


def shrink_for(scale: float) -> int:
    """The largest of `SHRINKS` that still leaves at least as many pixels as `scale` asks for."""
    return next((shrink for shrink in SHRINKS if 1 / shrink >= scale), 1)


def plan_axis(start: float, length: float, available: int, target: int) -> AxisPlan:
    """Choose the whole-pixel crop that comes nearest to [start, start + length) of `available` pixels.

    `start` and `length` may be fractions; the scale stays exact, so circles stay circles. A resizer
    that keeps the centre in place shifts by half a pixel when the crop grows by one, which lets a crop
    be placed to a quarter of a base pixel, or to a half where that would give one result pixel too many.
    """
    scale = target / length
    if scale > 1:
        return _plan_enlarging(start, length, available, target, scale)
    centre = start + length / 2
    best: tuple[float, float, int, int] | None = None
    for count in {math.floor(length), math.ceil(length), math.floor(length) + 1}:
        if not 1 <= count <= available or abs(count * scale - target) >= 0.5:
            continue
        for first in {math.floor(centre - count / 2), math.ceil(centre - count / 2)}:
            inside = min(max(first, 0), available - count)
            candidate = (abs(inside + count / 2 - centre), abs(count - length), inside, count)
            best = candidate if best is None or candidate < best else best
    if best is None:
        return _plan_enlarging(start, length, available, target, scale)
    return AxisPlan(best[2], best[3], scale, 0)


def _plan_enlarging(start: float, length: float, available: int, target: int, scale: float) -> AxisPlan:
    """Resize a little more than the crop, and cut where one result pixel is less than one base pixel."""
    first = max(0, math.floor(start) - _EDGE)
    end = min(available, math.ceil(start + length) + _EDGE)
    count = max(1, end - first)
    made = math.floor(count * scale + 0.5)
    skip = min(max(0, round((start - first) * scale)), max(0, made - target))
    return AxisPlan(first, count, scale, skip)
