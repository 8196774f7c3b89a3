"""What a contender's pictures are held against: full decode, to sRGB, upright, one Lanczos 3 resize of the crop.

libvips decodes and converts, Pillow resizes: of our own pipeline nothing takes part. The crop touches two opposite
sides and may lie between pixels, as no rounding is part of what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.outputs import Output

if TYPE_CHECKING:
    from numpy.typing import NDArray


def references(data: bytes, outputs: Sequence[Output]) -> list[NDArray[np.uint8]]:
    """The reference of each output, (height, width, 3), sRGB. Raises pyvips.Error for what is no readable picture."""
    whole = Image.fromarray(_upright_srgb(data))
    return [
        np.asarray(whole.resize((output.width, output.height), Image.Resampling.LANCZOS, box=_crop(whole.size, output)))
        for output in outputs
    ]


def _upright_srgb(data: bytes) -> NDArray[np.uint8]:
    from processor.vips_setup import pyvips

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


def _crop(size: tuple[int, int], output: Output) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the centre with the output's aspect ratio."""
    width, height = size
    scale = max(output.width / width, output.height / height)
    across, down = output.width / scale, output.height / scale
    left, top = max(0.0, (width - across) / 2), max(0.0, (height - down) / 2)
    return left, top, min(float(width), left + across), min(float(height), top + down)
