"""render_image: bytes in, pictures and colours out. Pure: no files, no network, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract.messages import Device, Histogram, Orientation, Palette, orientation_of
from contract.recipes import DEFAULT_FRAMING, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH
from processor import jpeg_profiles
from processor.decode import Base, decode, read_header
from processor.decode_plan import decode_steps
from processor.errors import BrokenPixels
from processor.header import RESEND, Header, condense
from processor.limits import DEFAULT_LIMITS, Limits
from processor.palette import find_colours, proxy_pixels
from processor.variants import cut
from processor.vips_setup import pyvips


@dataclass(frozen=True, slots=True)
class Variant:
    """One device's picture: a JPEG file in `data`, `width` x `height` pixels, upright."""

    device: Device
    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """Everything made of one photo. `width`, `height` and `orientation` are the upright photo's own.

    `thumbnail` is a JPEG file of 200 x 200 pixels; `histogram` maps `#RRGGBB` to the number of
    proxy pixels it stands for, most frequent first, at most 128.
    """

    variants: tuple[Variant, ...]
    thumbnail: bytes
    palette: Palette
    histogram: Histogram
    width: int
    height: int
    orientation: Orientation


def render_image(
    data: bytes,
    devices: Sequence[Device],
    *,
    framing: str = DEFAULT_FRAMING,
    name: str = "the image",
    limits: Limits = DEFAULT_LIMITS,
) -> RenderedImage:
    """Render the photo in `data` for each of `devices`, which may be none, with thumbnail and colours.

    `framing`: only "centre" so far, ValueError for anything else. `name` is what error messages call
    the file. Raises NotAnImage, NotAllowed, TooManyPixels or BrokenPixels (all RenderError). Safe to
    call from several threads at once; the same input gives the same bytes.
    """
    if framing != DEFAULT_FRAMING:
        raise ValueError(f"the framing {framing!r} is unknown; there is {DEFAULT_FRAMING!r}")
    header = read_header(data, name, limits)
    *finer, standard = decode_steps(header, devices)
    made: dict[int, Variant] = {}
    for step in finer:
        made |= _pictures(decode(data, header, step.shrink, name), header, devices, step.places, name)
    base = decode(data, header, standard.shrink, name)
    made |= _pictures(base, header, devices, standard.places, name)
    try:
        thumbnail = jpeg_profiles.THUMBNAIL.encode(cut(base, header, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT))
        pixels = proxy_pixels(base)
    except pyvips.Error as error:
        raise _cannot_resize(name, error) from error
    palette, histogram = find_colours(pixels)
    return RenderedImage(
        variants=tuple(made[place] for place in range(len(devices))),
        thumbnail=thumbnail,
        palette=palette,
        histogram=histogram,
        width=header.upright_width,
        height=header.upright_height,
        orientation=orientation_of(header.upright_width, header.upright_height),
    )


def _pictures(
    base: Base, header: Header, devices: Sequence[Device], places: Sequence[int], name: str
) -> dict[int, Variant]:
    """The pictures of the devices at `places`, all cut from one decode."""
    made = {}
    try:
        for place in places:
            device = devices[place]
            picture = jpeg_profiles.DEVICE.encode(cut(base, header, device.width, device.height))
            made[place] = Variant(device, picture, device.width, device.height)
    except pyvips.Error as error:
        raise _cannot_resize(name, error) from error
    return made


def _cannot_resize(name: str, error: Exception) -> BrokenPixels:
    return BrokenPixels(name, f"cannot be resized ({condense(error)})", RESEND)
