"""The baseline `floor-turbo`: the floor with libjpeg-turbo, the codec of the pipeline for plain JPEG.

simplejpeg decodes at a scale, imagecodecs encodes with the exact DCT. The targets refer to `floor` with libvips. The
difference between the two baselines is that of the codecs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.contenders.contender import CannotDo, Contender, Output
from bench.contenders.floor import needed_factor

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
        """Return the versions of the two packages, each of which contains libjpeg-turbo."""
        return {f"{name} (floor-turbo)": version(name) for name in PACKAGES}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Prepare the six variants that `run` encodes, and choose the scale."""
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
        self._data, self._min_size = data, (-(-height // factor), -(-width // factor))
        self._variants = [
            (np.ascontiguousarray(ImageOps.fit(upright, (output.width, output.height))), output.quality)
            for output in outputs
        ]

    def run(self) -> list[bytes]:
        """Decode, encode."""
        import simplejpeg
        from imagecodecs import jpeg8_encode

        height, width = self._min_size
        simplejpeg.decode_jpeg(self._data, "RGB", min_height=height, min_width=width)
        return [
            bytes(jpeg8_encode(picture, level=quality, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"))
            for picture, quality in self._variants
        ]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Raise CannotDo: the floor renders nothing."""
        raise CannotDo("the floor does not resize, so it has no variants to show")
