"""What a contender's pictures are held against: full decode, to sRGB, upright, one Lanczos 3 resize of the crop.

libvips decodes and converts, Pillow resizes: of our own pipeline nothing takes part. The crop touches two opposite
sides and may lie between pixels, as no rounding is part of what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.quality.outputs import Output

if TYPE_CHECKING:
    from numpy.typing import NDArray


SHIFTS = (0.0, -0.5, 0.5)
"""In pixels of the output, along the side that is cropped: where the middle lies between two pixels, a contender that
crops whole pixels has to decide for one. That is no loss of quality, but cost a photo of fur a fifth of its SSIM."""


def references(
    data: bytes, outputs: Sequence[Output], shifts: Sequence[float] = (0.0,)
) -> list[list[NDArray[np.uint8]]]:
    """Of each output the reference at each shift, (height, width, 3), sRGB.

    Raises pyvips.Error for what is no readable picture.
    """
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
        # What photo programs do by default; a contender with another intent differs in colours, by little.
        image = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)
    image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=[255, 255, 255])
    image = image.autorot().cast("uchar")
    pixels: NDArray[np.uint8] = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape(image.height, image.width, 3)


def _crop(size: tuple[int, int], output: Output, shift: float) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the centre with the output's aspect ratio, shifted as far as there is room."""
    width, height = size
    scale = max(output.width / width, output.height / height)
    across, down = min(float(width), output.width / scale), min(float(height), output.height / scale)
    room_across, room_down = (width - across) / 2, (height - down) / 2
    by = shift / scale
    left = room_across + max(-room_across, min(room_across, by))
    top = room_down + max(-room_down, min(room_down, by))
    return left, top, min(float(width), left + across), min(float(height), top + down)
