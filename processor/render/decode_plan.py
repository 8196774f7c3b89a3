"""Plan the decoding of a photo from its header alone: at which shrinks, for which variants, with how much memory. Pure.

The bytes of a variant must depend on the photo and the variant's own recipe alone. The same recipe rendered later, for
a device that is added or while others are left out, must give the same object. So the shrink does not depend on the
largest device of the request. It depends on the photo, for the standard screen. All devices up to that size share one
decode, together with thumbnail and palette. A variant that needs more pixels gets a finer decode of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from contract.messages.processing import Device
from processor.colour.icc import is_srgb
from processor.render.geometry import cover_scale, shrink_for

if TYPE_CHECKING:
    from processor.render.header import Header

STANDARD_SCREEN = (1920, 1080)
"""The largest common frame. Photos of 8 to 24 megapixels are decoded at half their size for it."""

PIPELINE_BYTES = 8_000_000
"""Regions and line buffers of libvips, where it decodes."""

_OVERHEAD_BYTES = 4_000_000
"""The tiles of the resizer, and the rounding of the allocator."""

_BYTES_PER_RESULT_PIXEL = 6
"""A variant and, where the photo is shown whole, the screen around it."""

_BYTES_PER_ENCODED_PIXEL = 1
"""Bytes of a JPEG file per pixel. All files stay in memory until the last one is encoded.

Measured with noise at quality 90; a photo needs a fifth.
"""


class DecodeStep(Struct, frozen=True):
    """One decode at 1/`shrink`, and the indices of the devices whose variants are cropped from it."""

    shrink: int
    indices: tuple[int, ...]


def standard_shrink(header: Header) -> int:
    """Return the shrink (1, 2, 4 or 8) that leaves enough pixels for the standard screen.

    The thumbnail and the downsampled copy for the palette are smaller than that screen in both directions.
    """
    return shrink_for(cover_scale(header.upright_width, header.upright_height, *STANDARD_SCREEN))


def decode_steps(header: Header, devices: Sequence[Device]) -> tuple[DecodeStep, ...]:
    """Return the decodes, finest first. Thumbnail and palette come from the last one, which is the standard one."""
    standard = standard_shrink(header)
    groups: dict[int, list[int]] = {standard: []}
    for index, device in enumerate(devices):
        own = shrink_for(cover_scale(header.upright_width, header.upright_height, device.width, device.height))
        groups.setdefault(min(own, standard), []).append(index)
    return tuple(DecodeStep(shrink, tuple(groups[shrink])) for shrink in sorted(groups))


def estimate_bytes(header: Header, devices: Sequence[Device], data_size: int) -> int:
    """Return the peak of memory, in bytes, that rendering adds to a process which has its libraries loaded.

    The peak is either in decoding or in cropping; the decoded image is in memory during both. Measured on 43 photos of
    all formats up to 40 megapixels (growth of VmHWM in a process of its own, glibc): the estimate is 0.9 to 1.9 times
    the measured peak, and for small photos up to 20 MB more than it.

    Args:
        header: Header of the photo.
        devices: Devices to render for.
        data_size: Bytes of the file; counted twice where libvips decodes it, because libvips gets a copy.
    """
    shrink = decode_steps(header, devices)[0].shrink  # decodes follow each other: the finest is the largest
    decoded_pixels = math.ceil(header.width / shrink) * math.ceil(header.height / shrink)
    decoded = decoded_pixels * (8 if header.has_alpha else 3)
    decoder = _decoder_bytes(header, header.width * header.height, decoded_pixels)
    largest = max((device.width * device.height for device in devices), default=0)
    cropping = _BYTES_PER_RESULT_PIXEL * largest + decoded // 3  # the halved copies
    converting = decoded * 4 // 3 if header.profile and not is_srgb(header.profile) else 0
    uses_libvips = header.loader != "jpeg" or header.bands == 4
    libvips = data_size + PIPELINE_BYTES if uses_libvips else 0
    results = _BYTES_PER_ENCODED_PIXEL * sum(device.width * device.height for device in devices)
    return data_size + libvips + decoded + max(decoder, cropping, converting) + results + _OVERHEAD_BYTES


def _decoder_bytes(header: Header, pixels: int, decoded_pixels: int) -> int:
    """Return the bytes that the decoder itself holds, in addition to the file and the decoded image."""
    sample = 2 if header.bits > 8 else 1
    match header.loader:
        case "jpeg":
            # All coefficients of all scans, two bytes each; a baseline file needs a few rows only.
            return int(pixels * header.samples_per_pixel * 2) if header.progressive else 0
        case "png":
            return pixels * header.bands * sample if header.progressive else 0
        case "webp":
            return 7 * decoded_pixels  # the frame of libwebp and the canvas of libvips, both at the smaller size
        case "gif":
            return 5 * pixels
        case "avif":
            # Planes of the decoder, the copy that libheif makes of them, and interleaved samples.
            return pixels * (21 if sample == 2 else 14)
        case "heic":
            return int(pixels * (1.5 * sample + header.bands))
        case "tiff":
            return 0  # read by strips or tiles
