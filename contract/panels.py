"""E-paper panels: their inks as measured and as named, the codes of their controllers, and the files they accept.

Sources:

- Inks of Spectra 6: "E-Paper Color Accuracy" of the project esp32-photoframe (docs/MEASURED_PALETTE.md), 7.3 inch.
- Inks of the panels with black, white, red and yellow: the measured palette `BWRY_3_97` of epaper-dithering 6.1.1
  (EP397YR, 2026-03-06). Its black and white are used for the grey panels too, whose levels are even in lightness.
- Inks of ACeP: `SATURATED_PALETTE` of Pimoroni's library inky (inky_uc8159.py), which is relative to the white ink.
- Codes and the order of bits: Waveshare's drivers epd7in3e.py (Spectra 6), epd7in3f.py (ACeP), epd7in3g.py (four
  colours), epd7in5b_V2.py (black, white and red), epd4in2_V2.py (two and four greys), and GUI_Paint.c (16 greys), in
  the repository waveshareteam/e-Paper. The first pixel of a byte is in its highest bits.

Measured colours of the same kind of panel differ between publications by up to 20 levels, so owners can give their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import hexdigits
from typing import Literal, get_args

import msgspec
from msgspec import Struct

PanelName = Literal["jpeg", "spectra6", "acep7", "bwr", "bwry", "grey2", "grey4", "grey16", "custom"]
Container = Literal["jpeg", "png", "packed", "bmp"]
PaletteKind = Literal["nominal", "measured"]

JPEG: PanelName = "jpeg"
CUSTOM: PanelName = "custom"
DITHER_VERSION = 1
"""Incremented whenever the same photo would be dithered into other bytes."""
MIN_INKS = 2
MAX_INKS = 16
EXTENSIONS: dict[Container, str] = {"jpeg": ".jpg", "png": ".png", "packed": ".bin", "bmp": ".bmp"}
CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".bin": "application/octet-stream",
}

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelModel:
    """A kind of panel.

    Attributes:
        title: Name for people.
        measured: Inks as the panel shows them, in sRGB.
        nominal: Inks as drivers and their image files name them.
        codes: Code of each ink in packed rows.
        bits: Bits of a code; 0 if the panel takes a plane of one bit for each bit of the code, the lowest bit first.
    """

    title: str
    measured: tuple[Rgb, ...]
    nominal: tuple[Rgb, ...]
    codes: tuple[int, ...]
    bits: int


def _greys(count: int) -> PanelModel:
    black, white = 10, 175
    measured = [black + (white - black) * n // (count - 1) for n in range(count)]
    nominal = [255 * n // (count - 1) for n in range(count)]
    return PanelModel(
        title=f"{count} greys" if count > 2 else "Black and white",
        measured=tuple((level, level, level) for level in measured),
        nominal=tuple((level, level, level) for level in nominal),
        codes=tuple(range(count)),
        bits={2: 1, 4: 2, 16: 4}[count],
    )


_BLACK, _WHITE, _RED, _YELLOW = (0, 0, 0), (255, 255, 255), (255, 0, 0), (255, 255, 0)
_GREEN, _BLUE, _ORANGE = (0, 255, 0), (0, 0, 255), (255, 128, 0)

PANELS: dict[PanelName, PanelModel] = {
    "spectra6": PanelModel(
        title="Spectra 6",
        measured=((2, 2, 2), (179, 182, 171), (201, 184, 0), (117, 10, 0), (0, 47, 107), (33, 69, 40)),
        nominal=(_BLACK, _WHITE, _YELLOW, _RED, _BLUE, _GREEN),
        codes=(0, 1, 2, 3, 5, 6),
        bits=4,
    ),
    "acep7": PanelModel(
        title="ACeP, 7 colours",
        measured=(
            (57, 48, 57), (255, 255, 255), (58, 91, 70), (61, 59, 94), (156, 72, 75), (208, 190, 71), (177, 106, 73),
        ),
        nominal=(_BLACK, _WHITE, _GREEN, _BLUE, _RED, _YELLOW, _ORANGE),
        codes=(0, 1, 2, 3, 4, 5, 6),
        bits=4,
    ),
    "bwr": PanelModel(
        title="Black, white, red",
        measured=((10, 7, 14), (173, 178, 174), (85, 24, 14)),
        nominal=(_BLACK, _WHITE, _RED),
        # Lowest bit: not black (command 0x10). Next bit: red (command 0x13).
        codes=(0b00, 0b01, 0b11),
        bits=0,
    ),
    "bwry": PanelModel(
        title="Black, white, red, yellow",
        measured=((10, 7, 14), (173, 178, 174), (172, 128, 0), (85, 24, 14)),
        nominal=(_BLACK, _WHITE, _YELLOW, _RED),
        codes=(0, 1, 2, 3),
        bits=2,
    ),
    "grey2": _greys(2),
    "grey4": _greys(4),
    "grey16": _greys(16),
}  # fmt: skip


class PanelError(ValueError):
    """A setting that no panel can have; `field` is its name in the API."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class PanelSetting(Struct, frozen=True, omit_defaults=True):
    """The panel of a device that shows no JPEG. `inks` are those that its owner measured, as `#RRGGBB`."""

    name: PanelName
    container: Container = "png"
    inks: tuple[str, ...] = ()

    @property
    def extension(self) -> str:
        """The extension of its files, with the dot."""
        return EXTENSIONS[self.container]

    @property
    def measured(self) -> tuple[Rgb, ...]:
        """The inks to dither with."""
        return tuple(map(_rgb, self.inks)) if self.inks else PANELS[self.name].measured

    @property
    def nominal(self) -> tuple[Rgb, ...]:
        """The inks as image files name them."""
        return self.measured if self.name == CUSTOM else PANELS[self.name].nominal

    def palette(self, kind: PaletteKind) -> tuple[Rgb, ...]:
        """Return the colours for the palette of a file."""
        return self.measured if kind == "measured" else self.nominal

    @property
    def key(self) -> str:
        """Return what decides the bytes of a file, as a part of a recipe."""
        return f"{self.name},{self.container},{'' if not self.inks else ' '.join(self.inks)},{DITHER_VERSION}"


def panel_setting(name: str, container: str | None = None, inks: Sequence[str] = ()) -> PanelSetting | None:
    """Return the setting of a device, or None for a device that shows JPEG.

    Args:
        name: A `PanelName`.
        container: A `Container`; None: PNG, or JPEG for the panel "jpeg".
        inks: Inks that the owner measured, as `#RRGGBB`, in the order of the panel's inks.

    Raises:
        PanelError: The panel or container is unknown, the panel cannot have the container or the inks.
    """
    if name not in get_args(PanelName):
        raise PanelError("panel", f"{name[:40]!r} is unknown; use one of {', '.join(get_args(PanelName))}")
    if container is not None and container not in get_args(Container):
        raise PanelError("container", f"{container[:40]!r} is unknown; use one of {', '.join(get_args(Container))}")
    if name == JPEG:
        if container not in (None, "jpeg"):
            raise PanelError("container", f"the panel {JPEG!r} cannot have the container {container!r}; choose a panel")
        if inks:
            raise PanelError("inks", f"the panel {JPEG!r} has no inks; choose another panel")
        return None
    if container == "jpeg":
        raise PanelError("container", f"the panel {name!r} cannot have the container 'jpeg'; use png, packed or bmp")
    if name == CUSTOM and container == "packed":
        raise PanelError(
            "container", "the codes of a custom panel are unknown, so it cannot have 'packed'; use png or bmp"
        )
    _check_inks(name, tuple(inks))
    upper = tuple(ink.upper() for ink in inks)
    return PanelSetting(name=name, container=container or "png", inks=upper)  # type: ignore[arg-type]  # checked above


def panel_from(stored: object) -> PanelSetting | None:
    """Return the setting of a stored JSON object; None if there is none."""
    return None if stored is None else msgspec.convert(stored, PanelSetting)


def _check_inks(name: str, inks: tuple[str, ...]) -> None:
    for ink in inks:
        if len(ink) != 7 or ink[0] != "#" or any(digit not in hexdigits for digit in ink[1:]):
            raise PanelError("inks", f"{ink[:40]!r} is not a colour; write #RRGGBB")
    if name == CUSTOM and not MIN_INKS <= len(inks) <= MAX_INKS:
        raise PanelError("inks", f"a custom panel needs {MIN_INKS} to {MAX_INKS} inks, not {len(inks)}")
    if inks and name != CUSTOM and len(inks) != len(PANELS[name].measured):  # type: ignore[index]  # checked before
        raise PanelError("inks", f"the panel {name!r} has {len(PANELS[name].measured)} inks, not {len(inks)}")  # type: ignore[index]
    if len({ink.upper() for ink in inks}) < len(inks):
        raise PanelError("inks", "two inks are equal; give each ink once")
    if inks and max(map(_weight, inks)) - min(map(_weight, inks)) < _MIN_DIFFERENCE:
        raise PanelError("inks", "the inks are equally light; a picture needs a dark ink and a light one")


_MIN_DIFFERENCE = 48 * 3


def _weight(ink: str) -> int:
    return sum(_rgb(ink))


def _rgb(ink: str) -> Rgb:
    return int(ink[1:3], 16), int(ink[3:5], 16), int(ink[5:7], 16)
