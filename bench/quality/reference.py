"""The reference for quality: full decode, conversion to sRGB, rotation, one Lanczos 3 resize of the crop.

libvips decodes and converts, Pillow resizes; our pipeline takes no part. The crop touches two opposite sides. It is not
rounded to whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.contenders.contender import Output

if TYPE_CHECKING:
    from numpy.typing import NDArray


SHIFTS = (0.0, -0.5, 0.5)
"""Shifts of the crop in output pixels. If the middle is between two pixels, a contender that crops whole pixels must
choose one of them. That is no loss of quality, but it cost a photo of fur a fifth of its SSIM."""


def references(
    data: bytes, outputs: Sequence[Output], shifts: Sequence[float] = (0.0,)
) -> list[list[NDArray[np.uint8]]]:
    """Return, for each output, its reference at each shift: (height, width, 3), sRGB. Raises pyvips.Error."""
    whole = Image.fromarray(_upright_srgb(data))
    return [
        [
            np.asarray(
                whole.resize(
                    (output.width, output.height), Image.Resampling.LANCZOS, box=_crop(whole.size, output, shift)
                )
            )
            for shift in shifts
        ]
        for output in outputs
    ]


def _upright_srgb(data: bytes) -> NDArray[np.uint8]:
    from processor.codecs.vips import pyvips

    image: Any = pyvips.Image.new_from_buffer(data, "")
    if image.get_typeof("icc-profile-data") != 0:
        # The default of photo programs. A contender with another intent has slightly different colours.
        image = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)
    image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=[255, 255, 255])
    image = image.autorot().cast("uchar")
    pixels: NDArray[np.uint8] = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape(image.height, image.width, 3)


def _crop(size: tuple[int, int], output: Output, shift: float) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of the centred crop, shifted as far as the photo allows."""
    width, height = size
    scale = max(output.width / width, output.height / height)
    across, down = min(float(width), output.width / scale), min(float(height), output.height / scale)
    margin_across, margin_down = (width - across) / 2, (height - down) / 2
    by = shift / scale
    left = margin_across + max(-margin_across, min(margin_across, by))
    top = margin_down + max(-margin_down, min(margin_down, by))
    return left, top, min(float(width), left + across), min(float(height), top + down)
