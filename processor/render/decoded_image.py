"""The base: one decoded picture that all outputs are cut from, and its halves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import native

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_RATIO = 1.4
"""A picture is cut from a halved copy if that still has so many pixels for each of its own, in both directions.
The filter then leaves out most of what averaging has blurred. SSIM to a full decode and one Lanczos 3, over 28 photos
of 8 MP and more, medians (worst) of the 800 x 480 pictures: 0.9990 (0.990), where the whole base gives 0.9994 (0.999)
and costs two to three times as much; the largest screen, always cut from the base, has 0.9974 (0.988). Tried: 1.25
(0.9978), 1.1 (0.9975, worst of any 0.966); halving by (-1, 9, 9, -1) / 16, which blurs less and aliases more
(worst 0.972)."""


class DecodedImage:
    """`pixels`: sRGB, uint8 of shape (h, w, 3), still in *stored* orientation. `alpha`: uint8 (h, w), or None.

    `scale_x` and `scale_y`: base pixels per stored pixel. Used by one thread at a time: halves are made when needed.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, scale_x: float, scale_y: float
    ) -> None:
        self.pixels = pixels
        self.alpha = alpha
        self.scale_x = scale_x
        self.scale_y = scale_y
        self._halves = [pixels]

    def for_ratio(self, ratio: float) -> tuple[NDArray[np.uint8], int]:
        """(pixels, how many base pixels each has per side) to cut a picture from that has 1/`ratio` of the base's size.

        The second is 1, 2, 4, ...; an odd last row or column of a level is left out in the next.
        """
        level = 0
        while ratio / 2 ** (level + 1) >= MIN_RATIO and min(self._halves[level].shape[:2]) >= 2:
            level += 1
            if level == len(self._halves):
                self._halves.append(native.halve(self._halves[-1]))
        return self._halves[level], 2**level
