"""Pictures for devices, all cut from one base."""

from __future__ import annotations

from processor.decode import Base
from processor.framing import (
    AxisPlan,
    box_to_stored,
    cover_crop,
    plan_axis,
    scale_box,
    upright_size,
)
from processor.header import Header
from processor.vips_setup import pyvips


def cut(base: Base, header: Header, width: int, height: int) -> pyvips.Image:
    """The centre of the photo, covering `width` x `height` upright pixels exactly, in memory.

    Works in stored orientation and turns only the result: turning the large picture costs many
    times as much. Made smaller by Lanczos 3; enlarged, where it must be, by libvips' bicubic.
    """
    box = cover_crop(header.upright_width, header.upright_height, width, height)
    stored = box_to_stored(box, header.upright_width, header.upright_height, header.orientation)
    placed = scale_box(stored, base.scale_x, base.scale_y)
    stored_width, stored_height = upright_size(width, height, header.orientation)
    across = plan_axis(placed.left, placed.width, base.image.width, stored_width)
    down = plan_axis(placed.top, placed.height, base.image.height, stored_height)
    small = _resize(base.image, across, down).crop(across.skip, down.skip, stored_width, stored_height)
    return turn_upright(small.copy_memory(), header.orientation)


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


def _resize(image: pyvips.Image, across: AxisPlan, down: AxisPlan) -> pyvips.Image:
    part = image.crop(across.first, down.first, across.count, down.count)
    if across.scale == 1 and down.scale == 1:
        return part
    # gap=0: no box average before the filter, which would cost sharpness and saves no time.
    return part.resize(across.scale, vscale=down.scale, kernel="lanczos3", gap=0)
