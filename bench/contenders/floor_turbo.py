"""The floor on the codec that the pipeline uses for plain JPEG: libjpeg-turbo directly, by two wheels.

simplejpeg decodes at a factor, imagecodecs encodes with the exact DCT. The floor of the promises is libvips'. This one
shows how much of the distance to it is the codec's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.contenders.contender import CannotDo, Contender
from bench.contenders.floor import needed_factor
from bench.quality.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGES = ("simplejpeg", "imagecodecs")

CONTENDER = Contender(
    name="floor-turbo",
    summary="libjpeg-turbo (simplejpeg, imagecodecs): one decode at the needed factor, the same six encodes",
    command=lambda: (sys.executable, "-m", "bench.contenders.worker", "floor_turbo"),
    missing=lambda: " and ".join(name for name in PACKAGES if not find_spec(name)),
    shows_pictures=False,
)


class Way:
    """Decode and encode."""

    def versions(self) -> dict[str, str]:
        """The wheels', each of which holds a libjpeg-turbo."""
        return {f"{name} (floor-turbo)": version(name) for name in PACKAGES}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Make the six pictures that are to be encoded, and read the header for the factor."""
        import io

        import numpy as np
        import simplejpeg
        from PIL import Image, ImageOps

        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        except ValueError as error:
            raise CannotDo(f"libjpeg-turbo cannot read the photo: {error}") from error
        with Image.open(io.BytesIO(data)) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            image.draft("RGB", (width // 2, height // 2))
            upright = ImageOps.exif_transpose(image).convert("RGB")
        factor = needed_factor(*((height, width) if turned else (width, height)), outputs)
        self._data, self._least = data, (-(-height // factor), -(-width // factor))
        self._made = [
            (np.ascontiguousarray(ImageOps.fit(upright, (output.width, output.height))), output.quality)
            for output in outputs
        ]

    def run(self) -> list[bytes]:
        """Decode, encode."""
        import simplejpeg
        from imagecodecs import jpeg8_encode

        height, width = self._least
        simplejpeg.decode_jpeg(self._data, "RGB", min_height=height, min_width=width)
        return [
            bytes(jpeg8_encode(picture, level=quality, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"))
            for picture, quality in self._made
        ]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Raises CannotDo: the floor makes no pictures."""
        raise CannotDo("the floor resizes nothing, so it has no pictures of its own")
