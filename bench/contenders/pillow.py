"""Pillow as fast as possible: one decode in draft mode, all variants resized from it."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.contenders.contender import CannotDo, Contender, Output
from bench.contenders.floor import needed_factor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

CONTENDER = Contender(
    name="pillow",
    summary="Pillow: one decode in draft mode, Lanczos resizes; no colours",
    command=lambda: (sys.executable, "-m", "bench.contenders.worker", "pillow"),
    missing=lambda: "" if find_spec("PIL") else "Pillow; pip install pillow",
)


class Way:
    """Open in draft mode, rotate, convert, crop and resize, save."""

    def versions(self) -> dict[str, str]:
        """Return the versions of Pillow and of the JPEG library in its wheel."""
        from PIL import __version__, features

        return {"Pillow": __version__, "libjpeg-turbo (Pillow)": str(features.version("libjpeg_turbo"))}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Store the file's bytes."""
        from PIL import ImageCms

        self._data, self._outputs = data, tuple(outputs)
        self._srgb = ImageCms.createProfile("sRGB")

    def run(self) -> list[bytes]:
        """Render and save the six files."""
        files = []
        for output, picture in zip(self._outputs, self._resized(), strict=True):
            into = io.BytesIO()
            picture.save(into, "JPEG", quality=output.quality, subsampling="4:2:0", optimize=False)
            files.append(into.getvalue())
        return files

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Render without saving."""
        import numpy as np

        return [np.asarray(picture) for picture in self._resized()]

    def _resized(self) -> list[Image.Image]:
        from PIL import Image, ImageOps

        decoded = self._decoded()
        return [
            ImageOps.fit(decoded, (output.width, output.height), Image.Resampling.LANCZOS) for output in self._outputs
        ]

    def _decoded(self) -> Image.Image:
        from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

        try:
            image: Image.Image = Image.open(io.BytesIO(self._data))
            turned = image.getexif().get(0x0112, 1) >= 5
            width, height = reversed(image.size) if turned else image.size
            factor = needed_factor(width, height, self._outputs)
            image.draft("RGB", (image.width // factor, image.height // factor))
            profile = image.info.get("icc_profile")
            image = ImageOps.exif_transpose(image)
            if profile and image.mode in ("RGB", "L", "CMYK"):
                source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                converted = ImageCms.profileToProfile(image, source, self._srgb, outputMode="RGB")
                image = converted if converted is not None else image
            return image.convert("RGB")
        except (UnidentifiedImageError, OSError, ImageCms.PyCMSError) as error:
            raise CannotDo(f"Pillow cannot read the photo ({type(error).__name__})") from error
