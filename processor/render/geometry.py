"""Calculate which part of a photo a device shows. Pure geometry, no pixels.

Coordinates are continuous and in pixels: pixel i covers [i, i + 1). A *stored* photo is as in the file. The *upright*
photo is as a person sees it, after the EXIF orientation (1 to 8, table "Orientation" of the EXIF 2.32 standard,
tag 0x0112) has been applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SHRINKS = (8, 4, 2, 1)
"""The factors by which JPEG decoders can shrink (DCT scaling), largest first."""

MAX_CUT = 0.5
"""Largest share of a photo that framing by focus cuts off; a photo that would lose more is shown whole."""

DOWNSAMPLED_SIDE = 256
"""Longest side, in pixels, of the downsampled copy from which colours and focus are found."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; fractions are allowed."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Placement:
    """Show `box` of the upright photo at (`left`, `top`) of the screen, `width` x `height` pixels large.

    The rest of the screen is background.
    """

    box: Box
    left: int
    top: int
    width: int
    height: int


def swaps_sides(orientation: int) -> bool:
    """Return whether width and height are exchanged between stored and upright."""
    return orientation >= 5


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return (width, height) of the upright photo; the function is its own inverse."""
    return (height, width) if swaps_sides(orientation) else (width, height)


_QUARTER_TURN = {1: 6, 6: 3, 3: 8, 8: 1, 2: 7, 7: 4, 4: 5, 5: 2}
"""The orientation of a photo that is turned clockwise by 90 degrees after the orientation in the key was applied."""


def turned(orientation: int, turn: int) -> int:
    """Return the orientation that shows the photo like `orientation`, followed by `turn` quarter turns clockwise."""
    for _ in range(turn % 4):
        orientation = _QUARTER_TURN[orientation]
    return orientation


def cover_scale(width: float, height: float, target_width: int, target_height: int) -> float:
    """Return the factor by which to resize the photo so that it just covers the target."""
    return max(target_width / width, target_height / height)


def cover_crop(width: int, height: int, target_width: int, target_height: int) -> Box:
    """Return the largest box around the centre of the photo that has the target's aspect ratio.

    All sizes are at least 1. The box touches two opposite sides of the photo exactly.
    """
    if width * target_height > height * target_width:
        box_width = height * target_width / target_height
        return Box((width - box_width) / 2, 0.0, box_width, float(height))
    box_height = width * target_height / target_width
    return Box(0.0, (height - box_height) / 2, float(width), box_height)


def box_to_stored(box: Box, width: int, height: int, orientation: int) -> Box:
    """Convert a box of the upright photo, which is `width` x `height`, to the stored photo."""
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
    """Convert a box to a copy of the photo that was resized by the factors."""
    return Box(box.left * factor_x, box.top * factor_y, box.width * factor_x, box.height * factor_y)


def shrink_for(scale: float) -> int:
    """Return the largest of `SHRINKS` that leaves at least as many pixels as `scale` needs."""
    return next((shrink for shrink in SHRINKS if 1 / shrink >= scale), 1)


def crop_around(width: int, height: int, target_width: int, target_height: int, focus: tuple[float, float]) -> Box:
    """Return the largest box of the target's aspect ratio, with its centre nearest to `focus` (fractions of a side)."""
    box = cover_crop(width, height, target_width, target_height)
    left = min(max(focus[0] * width - box.width / 2, 0.0), width - box.width)
    top = min(max(focus[1] * height - box.height / 2, 0.0), height - box.height)
    return Box(left, top, box.width, box.height)


def place(
    width: int, height: int, target_width: int, target_height: int, focus: tuple[float, float] | None
) -> Placement:
    """Place a photo of `width` x `height` upright pixels on a screen of the target's size.

    Without a focus, the middle is cut to the shape of the screen. With a focus, the cut is around it, unless the photo
    would lose more than `MAX_CUT`; then it is shown whole.
    """
    whole = Placement(Box(0.0, 0.0, float(width), float(height)), 0, 0, target_width, target_height)
    if focus is None:
        return replace(whole, box=cover_crop(width, height, target_width, target_height))
    box = crop_around(width, height, target_width, target_height, focus)
    if box.width * box.height >= (1 - MAX_CUT) * width * height:
        return replace(whole, box=box)
    scale = min(target_width / width, target_height / height)
    shown_width = min(max(round(width * scale), 1), target_width)
    shown_height = min(max(round(height * scale), 1), target_height)
    left, top = (target_width - shown_width) // 2, (target_height - shown_height) // 2
    return Placement(whole.box, left, top, shown_width, shown_height)
