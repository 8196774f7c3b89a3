"""Contrast as WCAG 2.2 defines it (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), and text that has enough."""

from __future__ import annotations

from collections.abc import Sequence

from contract.colour.srgb import channels, light_of, luminance_of

TEXT = 4.5
"""What level AA asks of text (1.4.3)."""
SHAPES = 3.0
"""What it asks of the borders of controls, and of large text (1.4.11)."""
STEPS = 32


def luminance(colour: str) -> float:
    """The relative luminance of `#RRGGBB`, 0 to 1."""
    return luminance_of(light_of(colour))


def ratio(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def least_ratio(colour: str, grounds: Sequence[str]) -> float:
    """The contrast of `colour` on the worst of `grounds`."""
    return min(ratio(colour, ground) for ground in grounds)


def readable(colour: str, grounds: Sequence[str], least: float = TEXT) -> str:
    """`colour`, or the nearest on its way to black or to white that has `least` contrast on all of `grounds`.

    Where neither end has it, as on grounds that differ too much, the better end is given.
    """
    if least_ratio(colour, grounds) >= least:
        return colour
    end = max(("#000000", "#FFFFFF"), key=lambda candidate: least_ratio(candidate, grounds))
    for step in range(1, STEPS):
        mixed = _mixed(colour, end, step / STEPS)
        if least_ratio(mixed, grounds) >= least:
            return mixed
    return end


def text_on(ground: str) -> str:
    """Black or white, whichever can be read better on `ground`; one of them has 4.5 on any."""
    return max(("#000000", "#FFFFFF"), key=lambda candidate: ratio(candidate, ground))


def _mixed(colour: str, end: str, share: float) -> str:
    pairs = zip(channels(colour), channels(end), strict=True)
    red, green, blue = (round(one + (other - one) * share) for one, other in pairs)
    return f"#{red:02X}{green:02X}{blue:02X}"
