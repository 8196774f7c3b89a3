"""Render one photo: `render_image` turns its bytes into variants, thumbnail and colours.

It has no I/O of its own, but may block on a `DownloadBuffer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from contract.colour.palettes import background_of
from contract.messages.processing import Device, Focus, Histogram, Orientation, Palette, orientation_of
from contract.recipes import CENTRE, DEFAULT_FRAMING, FOCUS, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH
from processor.codecs.download_buffer import Original
from processor.codecs.jpeg import DEVICE, THUMBNAIL
from processor.codecs.panel_file import encode_for_panel
from processor.render.camera_raw import photo_in
from processor.render.decode import decode
from processor.render.decode_plan import decode_steps
from processor.render.decoded_image import cut
from processor.render.focus import find_focus
from processor.render.geometry import turned, upright_size
from processor.render.header import Header, read_header
from processor.render.limits import DEFAULT_LIMITS, Limits
from processor.render.palette import colour_pixels, downsampled, find_colours
from processor.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Variant:
    """The rendered file of one device: a JPEG, or a file for its panel; `width` x `height` pixels, upright."""

    device: Device
    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """Everything that was rendered from one photo.

    Attributes:
        variants: In the order of the devices.
        thumbnail: A JPEG file of 200 x 200 pixels.
        palette: The Material colours.
        histogram: Maps `#RRGGBB` to a number of pixels of the downsampled copy; at most 128, most frequent first.
        width, height, orientation: Those of the upright photo.
        focus: The requested focal point, as fractions of the upright width and height.
        found_focus: The focal point that was found; None with the framing "centre".
        turn: The quarter turns clockwise that were requested.
    """

    variants: tuple[Variant, ...]
    thumbnail: bytes
    palette: Palette
    histogram: Histogram
    width: int
    height: int
    orientation: Orientation
    focus: Focus | None = None
    found_focus: Focus | None = None
    turn: int = 0


def render_image(
    original: Original,
    devices: Sequence[Device],
    *,
    framing: str = DEFAULT_FRAMING,
    focus: Focus | None = None,
    turn: int = 0,
    name: str = "the image",
    limits: Limits = DEFAULT_LIMITS,
    stopwatch: Stopwatch | None = None,
) -> RenderedImage:
    """Render a photo for each device, with thumbnail and colours.

    Several threads may call this at the same time. The same input always gives the same bytes.

    Args:
        original: The photo's file. If it is a `DownloadBuffer`, the result is valid only once the download is complete.
        devices: The devices; may be empty.
        framing: "focus" crops around `focus`, and shows a photo that would lose too much on a background of its own
            colours. "centre" crops the middle.
        focus: Point to crop around, as fractions of the upright width and height. Without it, the point is found.
        turn: Quarter turns clockwise after the EXIF orientation, 0 to 3. The turned photo is the upright one.
        name: Name of the file in error messages.
        limits: Largest numbers of pixels that are decoded.
        stopwatch: Measures the stages, some of which occur more than once.

    Raises:
        RenderError: NotAnImage, NotAllowed, TooManyPixels or BrokenPixels.
        ValueError: The framing is unknown, or there is a focus with the framing "centre" or outside of the photo.
    """
    if framing not in (CENTRE, FOCUS):
        raise ValueError(f"unknown framing {framing!r}; use {CENTRE!r} or {FOCUS!r}")
    if focus is not None and (framing != FOCUS or not all(0 <= share <= 1 for share in focus)):
        raise ValueError(
            f"invalid focus {focus} with framing {framing!r}; use two numbers from 0 to 1, and the framing {FOCUS!r}"
        )
    focus = None if focus is None else (round(focus[0], 4) + 0.0, round(focus[1], 4) + 0.0)  # as in object names
    stopwatch = stopwatch or Stopwatch()
    original = photo_in(original, name)
    header = turned_header(read_header(original, name, limits), turn)
    *finer, standard = decode_steps(header, devices)
    decoded = decode(original, header, standard.shrink, name)
    stopwatch.passed("decoding")
    small = downsampled(decoded, header.orientation)
    palette, histogram = find_colours(colour_pixels(decoded, small, header.orientation))
    found = find_focus(small) if framing == FOCUS else None
    point, background = focus or found, background_of(palette) if framing == FOCUS else None
    stopwatch.passed("colours")
    thumbnail = THUMBNAIL.encode(cut(decoded, header, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT, point))
    variants: dict[int, Variant] = {}
    for step in (standard, *finer):
        if step is not standard:
            del decoded  # two decoded images would be the peak of memory
            decoded = decode(original, header, step.shrink, name)
            stopwatch.passed("decoding")
        size = None
        for index in sorted(step.indices, key=lambda index: (devices[index].width, devices[index].height)):
            device = devices[index]
            if size != (device.width, device.height):  # an e-paper panel often has the size of another device
                size = device.width, device.height
                pixels = cut(decoded, header, *size, point, background)
            data = encode_for_panel(pixels, device.panel) if device.panel else DEVICE.encode(pixels)
            variants[index] = Variant(device, data, device.width, device.height)
        stopwatch.passed("pictures")
    return RenderedImage(
        variants=tuple(variants[index] for index in range(len(devices))),
        thumbnail=thumbnail,
        palette=palette,
        histogram=histogram,
        width=header.upright_width,
        height=header.upright_height,
        orientation=orientation_of(header.upright_width, header.upright_height),
        focus=focus,
        found_focus=found,
        turn=turn,
    )


def turned_header(header: Header, turn: int) -> Header:
    """Return the header of the photo after `turn` quarter turns clockwise, which are added to its orientation."""
    if not turn:
        return header
    orientation = turned(header.orientation, turn)
    width, height = upright_size(header.width, header.height, orientation)
    return replace(header, orientation=orientation, upright_width=width, upright_height=height)
