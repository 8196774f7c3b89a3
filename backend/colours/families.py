"""Colour names for the gallery's filter: hue groups of CIE Lab, and grey for colours without a hue. Pure functions.

The groups of each photo are stored in its row, so that the gallery can be filtered without reading palettes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

from contract.colour.histogram import lab_of

Family = Literal["red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "grey"]
FAMILIES: tuple[Family, ...] = get_args(Family)

GREY_CHROMA = 8.0
"""Chroma in CIE Lab below which people see grey."""
# The first hue of each group in degrees of CIE Lab. For comparison: pure red has the hue 40, yellow 103, green 136,
# cyan 196, blue 306, magenta 328.
_BEGINS: tuple[tuple[float, Family], ...] = (
    (335.0, "pink"),
    (307.5, "purple"),
    (225.0, "blue"),
    (172.0, "teal"),
    (110.0, "green"),
    (78.0, "yellow"),
    (50.0, "orange"),
    (14.0, "red"),
    (0.0, "pink"),
)
SWATCHES: Mapping[Family, str] = {
    "red": "#C8372D",
    "orange": "#DE7E1E",
    "yellow": "#E3C12F",
    "green": "#4D9A3F",
    "teal": "#1F9C97",
    "blue": "#2F6FC4",
    "purple": "#7A3FC0",
    "pink": "#D4629B",
    "grey": "#8A8A8A",
}
"""An example colour of each group, shown next to its name."""


def family_of(colour: str) -> Family:
    """Return the hue group of a colour `#RRGGBB`."""
    _, a, b = lab_of(colour)
    if math.hypot(a, b) < GREY_CHROMA:
        return "grey"
    hue = math.degrees(math.atan2(b, a)) % 360
    return next(family for begin, family in _BEGINS if hue >= begin)


def families_text(palette: Mapping[str, object] | None) -> str:
    """Return the hue groups of a palette's three roles as the database stores them, such as `,blue,green,`.

    `palette` is a palette as the database stores it, with `primary`, `secondary` and `tertiary` as `#RRGGBB`.
    The result is empty for None.
    """
    if palette is None:
        return ""
    if palette.get("neutral"):
        return ",grey,"
    families = dict.fromkeys(family_of(str(palette[role])) for role in ("primary", "secondary", "tertiary"))
    return f",{','.join(families)},"
