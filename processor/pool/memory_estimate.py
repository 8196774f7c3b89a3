"""How much memory rendering a photo takes, from its header alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from contract.messages.processing import Device
from processor.colour.icc import is_srgb
from processor.render.decode_plan import decode_steps
from processor.render.header import Header

_SMALL_THINGS = 4_000_000
"""The resizer's tiles, and what the allocator rounds up."""

PIPELINE_BYTES = 8_000_000
"""Regions and line buffers of libvips, where it decodes."""

_BYTES_PER_RESULT_PIXEL = 6
"""A picture and, where it is fitted, the screen around it."""

_BYTES_PER_ENCODED_PIXEL = 1
"""What all results take together until the last one is there: noise at quality 90; a photo takes a fifth."""


def estimate_bytes(header: Header, devices: Sequence[Device], data_size: int) -> int:
    """The peak of memory, in bytes, that rendering adds to a process which has its libraries loaded.

    `data_size`: bytes of the file, which is counted twice where libvips decodes it, for it is given a copy.
    Either decoding or cutting is the peak; the base is there in both. Measured on 43 pictures of all
    formats up to 40 megapixels (growth of VmHWM in a process of its own, glibc): 0.9 to 1.9 of the
    truth, and for small pictures up to 20 MB more than it.
    """
    shrink = decode_steps(header, devices)[0].shrink  # one after the other: the finest is the largest
    base_pixels = math.ceil(header.width / shrink) * math.ceil(header.height / shrink)
    base = base_pixels * (8 if header.has_alpha else 3)
    decoder = _decoder_bytes(header, header.width * header.height, base_pixels)
    largest = max((device.width * device.height for device in devices), default=0)
    cutting = _BYTES_PER_RESULT_PIXEL * largest + base // 3  # the base's halves
    converting = base * 4 // 3 if header.profile and not is_srgb(header.profile) else 0
    by_libvips = header.loader != "jpeg" or header.bands == 4
    theirs = data_size + PIPELINE_BYTES if by_libvips else 0
    results = _BYTES_PER_ENCODED_PIXEL * sum(device.width * device.height for device in devices)
    return data_size + theirs + base + max(decoder, cutting, converting) + results + _SMALL_THINGS


def _decoder_bytes(header: Header, pixels: int, base_pixels: int) -> int:
    """What the decoder itself holds while it works, beside file and base."""
    sample = 2 if header.bits > 8 else 1
    match header.loader:
        case "jpeg":
            # All coefficients of all scans, two bytes each; a baseline file needs a few rows only.
            return int(pixels * header.samples_per_pixel * 2) if header.progressive else 0
        case "png":
            return pixels * header.bands * sample if header.progressive else 0
        case "webp":
            return 7 * base_pixels  # libwebp's frame and libvips' canvas, both at the smaller size
        case "gif":
            return 5 * pixels
        case "avif":
            # Planes of the decoder, libheif's copy of them, and interleaved samples.
            return pixels * (21 if sample == 2 else 14)
        case "heic":
            return int(pixels * (1.5 * sample + header.bands))
        case "tiff":
            return 0  # read by strips or tiles
