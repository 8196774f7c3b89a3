"""render_image: bytes in, pictures and colours out. Pure: no files, no network, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contract.colour.palettes import background_of
from contract.messages.processing import Device, Focus, Histogram, Orientation, Palette, orientation_of
from contract.recipes import CENTRE, FOCUS, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH
from processor.codecs.download_buffer import Original
from processor.codecs.jpeg_profiles import DEVICE, THUMBNAIL
from processor.render.crop import cut
from processor.render.decode import decode, read_header
from processor.render.decode_plan import decode_steps
from processor.render.focus import find_focus
from processor.render.limits import DEFAULT_LIMITS, Limits
from processor.render.palette import find_colours, proxy_pixels, small_picture
from processor.task.timings import RenderStage


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
    proxy pixels it stands for, most frequent first, at most 128. `focus` is the point that was asked for,
    `found_focus` the one that was found, both as fractions of the upright width and height.
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


def render_image(
    data: Original,
    devices: Sequence[Device],
    *,
    framing: str = CENTRE,
    focus: Focus | None = None,
    name: str = "the image",
    limits: Limits = DEFAULT_LIMITS,
    passed: Callable[[RenderStage], None] = lambda stage: None,
) -> RenderedImage:
    """Render the photo in `data` for each of `devices`, which may be none, with thumbnail and colours.

    `data` may still be on its way (`processor.codecs.download_buffer`): what is made of it counts once it has arrived.

    `framing`: "centre", or "focus": around `focus` (fractions of the upright width and height) or, without one,
    the point that is found; a photo that would lose too much is then fitted on a background of its own colours.
    `name` is what error messages call the file; `passed` is told each stage that has just ended, some more than once.
    Raises NotAnImage, NotAllowed, TooManyPixels or BrokenPixels (all RenderError), ValueError for another framing, or
    a focus without the framing for it. Safe to call from several threads at once; the same input gives the same bytes.
    """
    if framing not in (CENTRE, FOCUS):
        raise ValueError(f"the framing {framing!r} is unknown; there are {CENTRE!r} and {FOCUS!r}")
    if focus is not None and (framing != FOCUS or not all(0 <= share <= 1 for share in focus)):
        raise ValueError(
            f"a focus is two numbers from 0 to 1, with the framing {FOCUS!r}; this is {focus}, {framing!r}"
        )
    focus = None if focus is None else (round(focus[0], 4) + 0.0, round(focus[1], 4) + 0.0)  # as object names have it
    header = read_header(data, name, limits)
    *finer, standard = decode_steps(header, devices)
    base = decode(data, header, standard.shrink, name)
    passed("decoding")
    small = small_picture(base, header.orientation)
    palette, histogram = find_colours(proxy_pixels(base, small, header.orientation))
    found = find_focus(small) if framing == FOCUS else None
    point, background = focus or found, background_of(palette) if framing == FOCUS else None
    passed("colours")
    thumbnail = THUMBNAIL.encode(cut(base, header, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT, point))
    made: dict[int, Variant] = {}
    for step in (standard, *finer):
        if step is not standard:
            del base  # two at once would be the peak of memory
            base = decode(data, header, step.shrink, name)
            passed("decoding")
        for place in step.places:
            device = devices[place]
            picture = cut(base, header, device.width, device.height, point, background)
            made[place] = Variant(device, DEVICE.encode(picture), device.width, device.height)
        passed("pictures")
    return RenderedImage(
        variants=tuple(made[place] for place in range(len(devices))),
        thumbnail=thumbnail,
        palette=palette,
        histogram=histogram,
        width=header.upright_width,
        height=header.upright_height,
        orientation=orientation_of(header.upright_width, header.upright_height),
        focus=focus,
        found_focus=found,
    )
