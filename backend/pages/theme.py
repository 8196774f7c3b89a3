"""The pages' colours: two Material schemes as CSS custom properties, with contrast checked for every text. Pure.

Contrast is defined in WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from contract.colour.srgb import channels, light_of, luminance_of
from contract.messages.frames import ColourSchemes

DEFAULT_SOURCE = "#5C6B73"
"""A slate that suits any photo; used before the first photo has colours, and before the login."""
TEXT_CONTRAST = 4.5
"""Minimum for text at level AA (success criterion 1.4.3)."""
SHAPE_CONTRAST = 3.0
"""Minimum for borders of controls and for large text (success criterion 1.4.11)."""
MIXING_STEPS = 32

BACKGROUNDS = ("surface", "surfaceContainerLow", "surfaceContainer", "surfaceContainerHigh")
"""Roles that text of the roles below may be placed on."""
_TEXTS: tuple[tuple[str, Sequence[str], float], ...] = (
    ("onSurface", BACKGROUNDS, TEXT_CONTRAST),
    ("onSurfaceVariant", BACKGROUNDS, TEXT_CONTRAST),
    ("primary", BACKGROUNDS, TEXT_CONTRAST),
    ("error", BACKGROUNDS, TEXT_CONTRAST),
    ("outline", BACKGROUNDS, SHAPE_CONTRAST),
    ("onPrimary", ("primary",), TEXT_CONTRAST),
    ("onPrimaryContainer", ("primaryContainer",), TEXT_CONTRAST),
    ("onSecondaryContainer", ("secondaryContainer",), TEXT_CONTRAST),
    ("onTertiaryContainer", ("tertiaryContainer",), TEXT_CONTRAST),
    ("onError", ("error",), TEXT_CONTRAST),
    ("onErrorContainer", ("errorContainer",), TEXT_CONTRAST),
    ("inverseOnSurface", ("inverseSurface",), TEXT_CONTRAST),
    ("inversePrimary", ("inverseSurface",), TEXT_CONTRAST),
)
"""(role, roles of its backgrounds, minimum contrast). `primary` and `error` come before the text on them."""
_FILLS = ("outlineVariant", "scrim")


def luminance(colour: str) -> float:
    """Return the relative luminance of `#RRGGBB`, 0 to 1."""
    return luminance_of(light_of(colour))


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def min_contrast(colour: str, backgrounds: Sequence[str]) -> float:
    """Return the lowest contrast of `colour` on any of `backgrounds`."""
    return min(contrast(colour, background) for background in backgrounds)


def readable(colour: str, backgrounds: Sequence[str], minimum: float = TEXT_CONTRAST) -> str:
    """Return `colour`, darkened or lightened until it has `minimum` contrast on all of `backgrounds`.

    Returns black or white, whichever has more contrast, if no mixture is enough because the backgrounds differ too
    much.
    """
    if min_contrast(colour, backgrounds) >= minimum:
        return colour
    end = max(("#000000", "#FFFFFF"), key=lambda candidate: min_contrast(candidate, backgrounds))
    for step in range(1, MIXING_STEPS):
        mixed = _mixed(colour, end, step / MIXING_STEPS)
        if min_contrast(mixed, backgrounds) >= minimum:
            return mixed
    return end


def text_on(background: str) -> str:
    """Return the colour, black or white, with more contrast on `background`. The contrast is always at least 4.5."""
    return max(("#000000", "#FFFFFF"), key=lambda candidate: contrast(candidate, background))


def _mixed(colour: str, end: str, share: float) -> str:
    pairs = zip(channels(colour), channels(end), strict=True)
    red, green, blue = (round(start + (stop - start) * share) for start, stop in pairs)
    return f"#{red:02X}{green:02X}{blue:02X}"


def checked(scheme: Mapping[str, str]) -> dict[str, str]:
    """Return the roles that the pages use, in order, with every text made readable on its backgrounds."""
    names = dict.fromkeys([*BACKGROUNDS, *(role for _, backgrounds, _ in _TEXTS for role in backgrounds), *_FILLS])
    colours = {name: scheme[name] for name in names}
    for role, backgrounds, minimum in _TEXTS:
        colours[role] = readable(scheme[role], [colours[background] for background in backgrounds], minimum)
    return colours


def contrast_rules() -> list[tuple[str, str, float]]:
    """Return (text role, background role, minimum contrast) of everything that `checked` guarantees."""
    return [(role, background, minimum) for role, backgrounds, minimum in _TEXTS for background in backgrounds]


def stylesheet(schemes: ColourSchemes) -> str:
    """Return the custom properties of both schemes; the browser chooses by its light or dark mode."""
    light, dark = _properties(checked(schemes.light)), _properties(checked(schemes.dark))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def card_stylesheet(schemes: ColourSchemes) -> str:
    """Return the custom properties of the sample cards of a photo's page, each with one scheme."""
    return f".card-light{{{_properties(checked(schemes.light))}}}.card-dark{{{_properties(checked(schemes.dark))}}}"


def _properties(colours: Mapping[str, str]) -> str:
    return "".join(f"--{_dashed(name)}:{colour};" for name, colour in colours.items())


def _dashed(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
