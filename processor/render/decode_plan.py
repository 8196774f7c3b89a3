"""At which shrinks a photo is decoded, and which pictures are cut from which decode. Pure.

A picture's bytes must follow from the photo and its own recipe alone: the same recipe made later, for
a device that is added or while others are left out, has to give the same object. So the shrink does not
follow from the largest of the pictures that happen to be asked for, but from the photo, for the standard
screen. All screens up to that size share this one decode, as do thumbnail and palette; a picture that needs
more pixels gets a finer decode of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from contract.messages.processing import Device
from processor.render.geometry import cover_scale, shrink_for
from processor.render.header import Header

STANDARD_SCREEN = (1920, 1080)
"""The largest common frame. Photos of 8 to 24 megapixels are decoded at half their size for it."""


class DecodeStep(Struct, frozen=True):
    """One decode at 1/`shrink`, and the places (in the list of devices) of the pictures cut from it."""

    shrink: int
    places: tuple[int, ...]


def standard_shrink(header: Header) -> int:
    """The shrink (1, 2, 4 or 8) that leaves enough pixels for the standard screen.

    Thumbnail and proxy of the palette are smaller than that screen in both directions, so they never ask for more.
    """
    return shrink_for(cover_scale(header.upright_width, header.upright_height, *STANDARD_SCREEN))


def shrink_of(header: Header, device: Device) -> int:
    """The shrink that a device's picture is always cut from, whatever else is made."""
    own = shrink_for(cover_scale(header.upright_width, header.upright_height, device.width, device.height))
    return min(own, standard_shrink(header))


def decode_steps(header: Header, devices: Sequence[Device]) -> tuple[DecodeStep, ...]:
    """The decodes, finest first; the last one is the standard one, from which thumbnail and palette come."""
    standard = standard_shrink(header)
    groups: dict[int, list[int]] = {standard: []}
    for place, device in enumerate(devices):
        groups.setdefault(shrink_of(header, device), []).append(place)
    return tuple(DecodeStep(shrink, tuple(groups[shrink])) for shrink in sorted(groups))
