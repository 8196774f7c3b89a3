"""Decode and encode JPEG with libjpeg-turbo directly, without the line buffers and threads of libvips.

Decoding returns the pixels of libvips to the last bit, because both use the same codec. The exception is a last
column or row that is smaller than a full one at 1/shrink: it is kept here, and libvips leaves it out.
What is saved is copying: 15 % of the CPU at half size, 40 % at full size.
Files that this decoder does not accept, or reports an error for, go to libvips, whose result and message count.

Encoding writes the file of libvips to the last byte: same integer DCT, same tables, same order of markers.
What is saved is the slower Huffman coder of the codec in the libvips wheel, and two threads per variant that wait
for each other: together a tenth of an image's CPU. `simplejpeg`, which decodes, would be 1 ms faster for six variants,
but has only the fast DCT (0.2 dB more loss). Pillow copies each variant twice, 3 ms, and holds the interpreter lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from imagecodecs import Jpeg8Error, jpeg8_encode

from contract.recipes import DEVICE_PROFILE, THUMBNAIL_PROFILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SCANS = 100
"""Maximum number of scans of a progressive file, as in libvips. libjpeg-turbo has no limit. Encoders write ten."""
_SCAN = b"\xff\xda"
"""The marker before each scan (ITU-T T.81, table B.1); it cannot occur in entropy-coded data."""
_START, _END = b"\xff\xd8", b"\xff\xd9"
_JFIF = b"\xff\xe0"


def decode_plain(
    data: bytes, width: int, height: int, shrink: int, *, progressive: bool = False
) -> NDArray[np.uint8] | None:
    """Decode a file of `width` x `height` pixels, grey or YCbCr with 8 bits per sample.

    Returns:
        RGB pixels as stored, at 1/`shrink` (1, 2, 4 or 8), rounded up: uint8 of shape (h, w, 3).
        None for a file with an error, or with more scans than libvips accepts.
    """
    if progressive and data.count(_SCAN) > MAX_SCANS:  # each scan may be a pass over the whole image
        return None
    height, width = -(-height // shrink), -(-width // shrink)
    try:
        # simplejpeg chooses the smallest scale that leaves at least this size, which is 1/shrink.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, strict=True)
    except ValueError:
        return None
    return pixels if pixels.shape == (height, width, 3) else None


def with_end_marker(data: bytes) -> bytes | None:
    """Return the file with an end marker if only this marker may be missing; None for any other file.

    Every coefficient of every component must have been sent to its last bit, because a file that is cut off between
    two scans of a progressive photo decodes without a warning, and blurred. Whether the last scan is complete is for
    the decoder to find out.
    """
    last = data.rfind(_SCAN)
    if last < 0 or data.find(_END, last) >= 0:
        return None
    position, components, sent = 0, 0, dict[int, int]()
    for _ in range(MAX_SCANS):
        position = data.find(_SCAN, position)
        if position < 0:
            break
        count = data[position + 4] if position + 4 < len(data) else 0
        scan = data[position + 5 : position + 8 + 2 * count]
        position += 2
        if not 1 <= count <= 4 or len(scan) < 2 * count + 3:
            continue
        components = max(components, count)
        first, end, precision = scan[-3], min(scan[-2], 63), scan[-1] & 15
        if precision == 0:
            for component in scan[0 : 2 * count : 2]:
                sent[component] = sent.get(component, 0) | ((1 << (end + 1)) - (1 << first))
    complete = sent and all(bits == (1 << 64) - 1 for bits in sent.values()) and len(sent) >= components
    return data + _END if complete else None


def encode_plain(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode a baseline file, 4:2:0, with standard Huffman tables and without metadata.

    Releases the interpreter lock.

    Args:
        pixels: sRGB, uint8 of shape (height, width, 3), contiguous, sides up to 65,500.
        quality: 1 to 100; selects the quantization tables of libjpeg.

    Raises:
        MemoryError: There is no memory to encode with.
        ValueError, RuntimeError: `pixels` has another shape or size.
    """
    try:
        file = bytes(
            jpeg8_encode(
                pixels, level=quality, colorspace="RGB", outcolorspace="YCBCR", subsampling="420", optimize=False
            )
        )
    except Jpeg8Error as error:
        if "nsufficient memory" in str(error):  # the text of libjpeg, which has no exception class
            raise MemoryError(f"no memory to encode a variant: {error}") from error
        raise
    # libvips wrote no JFIF header, and an object name promises its bytes. What follows a marker begins with its
    # length (ITU-T T.81, B.1.1.4).
    if file[2:4] != _JFIF:
        return file
    return _START + file[4 + int.from_bytes(file[4:6], "big") :]


# imagecodecs loads a codec when it is first used. A codec that cannot be loaded must end the program at start-up
# with ImportError, and not fail with every photo.
encode_plain(np.zeros((8, 8, 3), np.uint8), 90)


@dataclass(frozen=True, slots=True)
class JpegProfile:
    """Named encoder settings. The name is part of a variant's recipe, so a name never changes its meaning.

    `quality` is that of libjpeg, 1 to 100. Every profile is baseline, 4:2:0, with standard Huffman tables:

    - Baseline: the decoders of small screens reject progressive files.
    - 4:2:0: the only chroma subsampling that those decoders support reliably; libvips would switch to
      4:4:4 at quality 90.
    - Standard Huffman tables: a hardware decoder is known to misread optimised ones, which would
      save no more than 2 % of the bytes and more than double the encoding time.
    - No metadata: no place, no camera, no profile (the pixels are sRGB), no gain map.
    """

    name: str
    quality: int

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """Encode sRGB `pixels`, uint8 of shape (height, width, 3)."""
        return encode_plain(pixels, self.quality)


DEVICE = JpegProfile(DEVICE_PROFILE, 90)
"""A frame shows one variant for minutes, at arm's length: no visible loss."""
THUMBNAIL = JpegProfile(THUMBNAIL_PROFILE, 80)
"""Lists show dozens of thumbnails at the same time: half the bytes of quality 90."""
