"""The baseline `floor`: the minimum work with this codec. One shrink-on-load decode and the same six encodes.

libvips reads the header, decodes once into memory at the scale that the largest output needs, and encodes six prepared
variants. It does not resize, rotate, convert profiles, or extract colours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contenders.contender import CannotDo, Contender, Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTENDER = Contender(
    name="floor",
    summary="pyvips (libvips' codec): one decode at the needed factor and the same six encodes, nothing else",
    command=lambda: (sys.executable, "-m", "bench.contenders.worker", "floor"),
    missing=lambda: "",
    shows_pictures=False,
)
FACTORS = (8, 4, 2, 1)
"""The factors by which JPEG decoders can scale down."""


def needed_factor(width: int, height: int, outputs: Sequence[Output]) -> int:
    """Return the largest factor that still leaves enough pixels for each output.

    `width` and `height` are those of the upright photo.
    """
    scale = max(max(output.width / width, output.height / height) for output in outputs)
    return next((factor for factor in FACTORS if factor * scale <= 1), 1)


class Way:
    """Decode and encode."""

    def __init__(self) -> None:
        # Read once, while libvips starts.
        os.environ["VIPS_CONCURRENCY"] = "1"
        import pyvips

        pyvips.cache_set_max(0)
        self._vips: Any = pyvips

    def versions(self) -> dict[str, str]:
        """Return the version of libvips. Its JPEG codec is the mozjpeg build in the pyvips wheel."""
        return {"libvips (floor)": ".".join(str(self._vips.version(part)) for part in range(3))}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Prepare the six variants that `run` encodes."""
        vips = self._vips
        try:
            header = vips.Image.new_from_buffer(data, "")
            self._jpeg = str(header.get("vips-loader")).startswith("jpegload")
            turned = header.get_typeof("orientation") != 0 and header.get("orientation") >= 5
            sides = (header.height, header.width) if turned else (header.width, header.height)
            self._factor = needed_factor(*sides, outputs) if self._jpeg else 1
            self._data = data
            self._variants = []
            for output in outputs:
                picture = vips.Image.thumbnail_buffer(data, output.width, height=output.height, crop="centre")
                picture = self._rgb(picture)
                memory = picture.write_to_memory()
                variant = vips.Image.new_from_memory(memory, picture.width, picture.height, picture.bands, "uchar")
                self._variants.append((variant.copy(interpretation="srgb"), output.quality))
        except vips.Error as error:
            raise CannotDo(f"libvips cannot read the photo: {str(error).strip()}") from error

    def _rgb(self, picture: Any) -> Any:
        picture = picture.colourspace("srgb")
        if picture.hasalpha():
            picture = picture.flatten(background=[255, 255, 255])
        return picture.cast("uchar")

    def run(self) -> list[bytes]:
        """Read the header, decode, and encode."""
        vips = self._vips
        if self._jpeg:
            image = vips.Image.jpegload_buffer(self._data, shrink=self._factor, access="sequential", fail_on="error")
        else:
            image = vips.Image.new_from_buffer(self._data, "", access="sequential", fail_on="error")
        image.copy_memory()
        return [
            picture.jpegsave_buffer(
                Q=quality,
                subsample_mode="on",
                optimize_coding=False,
                interlace=False,
                trellis_quant=False,
                keep="none",
            )
            for picture, quality in self._variants
        ]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Raise CannotDo: the floor renders nothing."""
        raise CannotDo("the floor does not resize, so it has no variants to show")
