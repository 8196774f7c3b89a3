"""The names by which people look for photos of a colour: hue families of CIE Lab, and grey for what has no hue.

Pure. What is found out is kept beside each photo, so that the gallery can be filtered without reading palettes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

from contract.colour.histogram import lab_of

Family = Literal["red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "grey"]
FAMILIES: tuple[Family, ...] = get_args(Family)

GREY_CHROMA = 8.0
"""CIE Lab; below it an eye names no hue."""
# Where each family begins, in degrees of hue around CIE Lab: pure red lies at 40, yellow at 103, green at 136, cyan
# at 196, blue at 306, magenta at 328.
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
"""A colour of each family, to show beside its name."""


def family_of(colour: str) -> Family:
    """The family of `#RRGGBB`."""
    _, a, b = lab_of(colour)
    if math.hypot(a, b) < GREY_CHROMA:
        return "grey"
    hue = math.degrees(math.atan2(b, a)) % 360
    return next(family for begin, family in _BEGINS if hue >= begin)


def families_text(palette: Mapping[str, object] | None) -> str:
    """The families of a palette's three roles as the database keeps them: `,blue,green,`; empty without a palette.

    `palette` is as it is stored: `primary`, `secondary` and `tertiary` in `#RRGGBB`.
    """
    if palette is None:
        return ""
    if palette.get("neutral"):
        return ",grey,"
    found = dict.fromkeys(family_of(str(palette[role])) for role in ("primary", "secondary", "tertiary"))
    return f",{','.join(found)},"
