"""Pictures for devices, all cut from one base."""

from __future__ import annotations

from typing import TYPE_CHECKING

import native
from processor.framing import Box, box_to_stored, cover_crop, scale_box, upright_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from processor.base import Base
    from processor.header import Header


def cut(base: Base, header: Header, width: int, height: int) -> NDArray[np.uint8]:
    """The centre of the photo, covering `width` x `height` upright pixels exactly: uint8 (height, width, 3).

    The large picture is never turned: the resizer turns what it has made. Lanczos 3, smaller and larger.
    """
    box = cover_crop(header.upright_width, header.upright_height, width, height)
    stored = box_to_stored(box, header.upright_width, header.upright_height, header.orientation)
    placed = scale_box(stored, base.scale_x, base.scale_y)
    across, down = upright_size(width, height, header.orientation)
    pixels, factor = base.for_ratio(min(placed.width / across, placed.height / down))
    return native.resize(pixels, width, height, box=_within(placed, pixels, factor), orientation=header.orientation)


def _within(box: Box, pixels: NDArray[np.uint8], factor: int) -> tuple[float, float, float, float]:
    """The box in a copy `factor` times smaller. What rounding left out of the copy is its edge repeated."""
    height, width = pixels.shape[:2]
    left, top = box.left / factor, box.top / factor
    right, bottom = left + box.width / factor, top + box.height / factor
    right, bottom = min(right, width + 1.0), min(bottom, height + 1.0)
    return left, top, right - left, bottom - top
