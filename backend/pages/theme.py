"""The pages' colours: two Material schemes as custom properties of CSS, each text checked on its grounds. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backend.pages.contrast import SHAPES, TEXT, readable
from contract.messages.frames import ColourSchemes

DEFAULT_SOURCE = "#5C6B73"
"""A slate that goes with any photo: before the first one has colours, and for who has not logged in."""

GROUNDS = ("surface", "surfaceContainerLow", "surfaceContainer", "surfaceContainerHigh")
"""What text of the roles below may stand on."""
_TEXTS: tuple[tuple[str, Sequence[str], float], ...] = (
    ("onSurface", GROUNDS, TEXT),
    ("onSurfaceVariant", GROUNDS, TEXT),
    ("primary", GROUNDS, TEXT),
    ("error", GROUNDS, TEXT),
    ("outline", GROUNDS, SHAPES),
    ("onPrimary", ("primary",), TEXT),
    ("onPrimaryContainer", ("primaryContainer",), TEXT),
    ("onSecondaryContainer", ("secondaryContainer",), TEXT),
    ("onTertiaryContainer", ("tertiaryContainer",), TEXT),
    ("onError", ("error",), TEXT),
    ("onErrorContainer", ("errorContainer",), TEXT),
    ("inverseOnSurface", ("inverseSurface",), TEXT),
    ("inversePrimary", ("inverseSurface",), TEXT),
)
_FILLS = ("outlineVariant", "scrim")


def checked(scheme: Mapping[str, str]) -> dict[str, str]:
    """The roles that the pages use, in order; a text that could not be read on one of its grounds is moved.

    `primary` and `error` are grounds themselves and come before what stands on them.
    """
    names = dict.fromkeys([*GROUNDS, *(ground for _, grounds, _ in _TEXTS for ground in grounds), *_FILLS])
    found = {name: scheme[name] for name in names}
    for role, grounds, least in _TEXTS:
        found[role] = readable(scheme[role], [found[ground] for ground in grounds], least)
    return found


def pairs() -> list[tuple[str, str, float]]:
    """(text, ground, least contrast) of everything that `checked` promises."""
    return [(role, ground, least) for role, grounds, least in _TEXTS for ground in grounds]


def stylesheet(schemes: ColourSchemes) -> str:
    """The custom properties of both schemes; the reader's device chooses."""
    light, dark = _properties(checked(schemes.light)), _properties(checked(schemes.dark))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def card_stylesheet(schemes: ColourSchemes) -> str:
    """The same for the sample cards of a photo's page, each of which keeps its own scheme."""
    return f".card-light{{{_properties(checked(schemes.light))}}}.card-dark{{{_properties(checked(schemes.dark))}}}"


def _properties(colours: Mapping[str, str]) -> str:
    return "".join(f"--{_dashed(name)}:{colour};" for name, colour in colours.items())


def _dashed(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
