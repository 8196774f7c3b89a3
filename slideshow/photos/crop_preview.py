"""The page of `slideshow framing`: how each photo is cropped for five screen sizes, centred and by focal point."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from msgspec import Struct

from contract.messages.processing import Device, Focus
from slideshow.photos.colours import fitted

WHOLE_SIDE, SCREEN_HEIGHT = 280, 150
"""Pixels: the longest side of the uncropped photo, and the height of each cropped image."""

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Framing of photos</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 24px; background: #fff; color: #222 }
section { display: flex; flex-wrap: wrap; gap: 12px 18px; padding: 14px 0; border-top: 1px solid #ccc }
h2 { flex-basis: 100%; font-size: 15px; margin: 0; overflow-wrap: anywhere }
h2 span { font-weight: normal; color: #555 }
figure { margin: 0 } figcaption { font-size: 12px; color: #555 }
.pair img { display: block; margin-bottom: 4px; outline: 1px solid #ccc }
svg { display: block }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } h2 span, figcaption { color: #aaa } }
</style></head><body><h1>Framing of photos</h1>
<p>Left: the uncropped photo with its focal point. Right: the crops for five screen sizes. The upper crop is centred;
the lower crop is placed around the focal point and is what a frame shows.</p>
"""
FOOT = "</body></html>\n"


class CropPreview(Struct, frozen=True, kw_only=True):
    """One photo with its crops.

    Attributes:
        name: The file name.
        width: Width of the upright photo in pixels.
        height: Height of the upright photo in pixels.
        focus: The focal point that was found.
        whole: A JPEG of the uncropped photo.
        crops: For each screen its name, the centred crop and the crop around the focal point, as JPEG.
    """

    name: str
    width: int
    height: int
    focus: Focus
    whole: bytes
    crops: tuple[tuple[str, bytes, bytes], ...]


def preview_crops(data: bytes, name: str) -> CropPreview:
    """Render both crops of a photo for the five default screens. Raises RenderError."""
    from contract.recipes import CENTRE, FOCUS
    from processor.render.camera_raw import photo_in
    from processor.render.header import read_header
    from processor.render.pipeline import render_image
    from slideshow.photos.screens import DEFAULT_SCREENS

    photo = photo_in(data, name)
    header = read_header(photo, name)
    width, height = fitted(header.upright_width, header.upright_height, WHOLE_SIDE)
    whole = Device(name="whole", width=width, height=height)
    screens = [
        Device(name=screen.name, width=round(screen.width * SCREEN_HEIGHT / screen.height), height=SCREEN_HEIGHT)
        for screen in DEFAULT_SCREENS
    ]
    centred = render_image(photo, [whole, *screens], framing=CENTRE, name=name)
    focused = render_image(photo, screens, framing=FOCUS, name=name)
    assert focused.found_focus is not None
    return CropPreview(
        name=name,
        width=centred.width,
        height=centred.height,
        focus=focused.found_focus,
        whole=centred.variants[0].data,
        crops=tuple(
            (before.device.name, before.data, after.data)
            for before, after in zip(centred.variants[1:], focused.variants, strict=True)
        ),
    )


def section_of(photo: CropPreview) -> str:
    """Return the photo's section of the page."""
    width, height = fitted(photo.width, photo.height, WHOLE_SIDE)
    x, y = photo.focus[0] * width, photo.focus[1] * height
    pairs = "".join(
        f'<figure class="pair"><img alt="centred crop" src="{_source(before)}">'
        f'<img alt="crop around the focal point" src="{_source(after)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, before, after in photo.crops
    )
    return (
        f"<section><h2>{escape(photo.name)} <span>{photo.width} x {photo.height}, "
        f"focal point {photo.focus[0]:.2f}, {photo.focus[1]:.2f}</span></h2>"
        f'<svg width="{width}" height="{height}" role="img" aria-label="the uncropped photo with its focal point">'
        f'<image href="{_source(photo.whole)}" width="{width}" height="{height}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="#000" stroke-width="5"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="#fff" stroke-width="2"/></svg>{pairs}</section>\n'
    )


def _source(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + b64encode(jpeg).decode()
