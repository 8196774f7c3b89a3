"""What every contender makes of a photo: the pictures of five screens, and a thumbnail."""

from __future__ import annotations

from msgspec import Struct

from contract.recipes import THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH

COLOURS = 128
"""Colours that the quantizer may find, in every contender that makes a palette."""

PROXY_SIDE = 256
"""Longest side of the small copy that colours are taken from."""


class Output(Struct, frozen=True):
    """One picture: upright, cut from the centre so that it covers `width` x `height`, a JPEG file of `quality`.

    Every one is baseline, 4:2:0, with standard Huffman tables, in sRGB and without metadata.
    """

    name: str
    width: int
    height: int
    quality: int


def outputs() -> tuple[Output, ...]:
    """The six of the suite: the demo's screens at the device profile, the thumbnail at its own."""
    from processor.codecs.jpeg import DEVICE, THUMBNAIL
    from slideshow.photos.screens import DEFAULT_SCREENS

    screens = tuple(Output(screen.name, screen.width, screen.height, DEVICE.quality) for screen in DEFAULT_SCREENS)
    return (*screens, Output("thumbnail", THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT, THUMBNAIL.quality))
