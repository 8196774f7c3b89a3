"""Named encoder settings. The name is part of a picture's recipe, so a name never changes its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.recipes import DEVICE_PROFILE, THUMBNAIL_PROFILE
from processor.codecs.jpeg_encoder import encode_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class JpegProfile:
    """`quality` is libjpeg's 1 to 100. Every profile is baseline, 4:2:0, with standard Huffman tables.

    - Baseline: the decoders of small screens refuse progressive files.
    - 4:2:0: the only chroma subsampling that those decoders do reliably; libvips would switch to
      4:4:4 at quality 90.
    - Standard Huffman tables: a hardware decoder is known to mis-read optimised ones, which would
      save no more than 2 % of the bytes and more than double the encoding time.
    - No metadata: no place, no camera, no profile (the pixels are sRGB), no gain map.
    """

    name: str
    quality: int
    reason: str

    def encode(self, picture: NDArray[np.uint8]) -> bytes:
        """`picture`: sRGB, uint8 of shape (height, width, 3). Returns a JPEG file."""
        return encode_plain(picture, self.quality)


DEVICE = JpegProfile(DEVICE_PROFILE, 90, "a frame shows one picture for minutes, at arm's length: no visible loss")
THUMBNAIL = JpegProfile(THUMBNAIL_PROFILE, 80, "lists show dozens at once: half the bytes of quality 90")
