"""Complete Material 3 colour schemes, light and dark, computed on request from one source colour.

All variants follow Material's colour specification of 2021. It is the one that apps show today, and the only one
with all of these variants: the specification of 2025 has no fidelity, and would mix two looks in one list.

Schemes are cached in memory, not in the database. After a restart a scheme is computed again faster than a person
notices. A stored one would have to be updated with every change of library, source colour and contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from contract.messages.frames import ColourSchemes, SchemeVariant
from contract.messages.processing import Colour, Palette

if TYPE_CHECKING:
    from materialyoucolor.dynamiccolor.dynamic_scheme import DynamicScheme

SPECIFICATION = "2021"
MAX_CACHED_SCHEMES = 512
"""Schemes cached in memory, about 16 KB each. Computing one took 10 to 12 ms of CPU time, with fidelity 30 to 45."""
PALETTES = tuple(
    f"{name}_palette" for name in ("primary", "secondary", "tertiary", "neutral", "neutral_variant", "error")
)
MAX_CACHED_FRAME_ROLES = 4096
"""Results of `frame_roles` cached in memory, about 2 KB each."""
FRAME_ROLES = (
    "primary",
    "onPrimary",
    "primaryContainer",
    "onPrimaryContainer",
    "secondary",
    "tertiary",
    "surface",
    "onSurface",
)
"""The colours that a frame needs next to a photo, for a clock, a caption or a margin. All roles would be 4 KB."""
CONTRAST_STEPS = 100
"""Contrast is rounded to 1/100, so that the number of different schemes per colour is finite."""


def default_variant(palette: Palette) -> SchemeVariant:
    """Return the default variant: Material's own, tonal spot.

    For a photo without colour it is fidelity, because that variant adds no colour to a grey.
    """
    return "fidelity" if palette.neutral else "tonal_spot"


def schemes_of(source: str, variant: SchemeVariant, contrast: float = 0.0) -> ColourSchemes:
    """Return the light and the dark scheme of a source colour.

    `source` is `#RRGGBB`. `contrast` goes from -1 (lowest) over 0 (default) to 1 (highest), rounded to 1/100.
    The result is cached and shared, so callers must not modify its mappings.

    Raises:
        ValueError: The contrast is out of range.
    """
    if not -1 <= contrast <= 1:
        raise ValueError(f"contrast must be from -1 to 1, not {contrast}")
    return _schemes(source, variant, round(contrast * CONTRAST_STEPS))


@lru_cache(maxsize=MAX_CACHED_FRAME_ROLES)
def frame_roles(source: str, variant: SchemeVariant) -> tuple[dict[str, Colour], dict[str, Colour]]:
    """Return the `FRAME_ROLES` of the light and of the dark scheme. Callers must not modify the cached result."""
    light, dark = _pair(source, variant, 0.0)
    return _roles(light, FRAME_ROLES), _roles(dark, FRAME_ROLES)


@lru_cache(maxsize=MAX_CACHED_SCHEMES)
def _schemes(source: str, variant: SchemeVariant, contrast_steps: int) -> ColourSchemes:
    contrast = contrast_steps / CONTRAST_STEPS
    light, dark = _pair(source, variant, contrast)
    return ColourSchemes(
        source_color=source, variant=variant, contrast=contrast, light=_roles(light), dark=_roles(dark)
    )


def _pair(source: str, variant: SchemeVariant, contrast: float) -> tuple[DynamicScheme, DynamicScheme]:
    from materialyoucolor.dynamiccolor.dynamic_scheme import DynamicScheme
    from materialyoucolor.dynamiccolor.variant import Variant
    from materialyoucolor.hct import Hct

    arguments = {
        "source_color_hct": Hct.from_int(0xFF000000 | int(source[1:], 16)),
        "variant": Variant[variant.upper()],
        "contrast_level": contrast,
        "spec_version": SPECIFICATION,
    }
    light = DynamicScheme(is_dark=False, **arguments)
    # In this specification both schemes have the same tonal palettes, and computing them is most of the work.
    return light, DynamicScheme(is_dark=True, **arguments, **{name: getattr(light, name) for name in PALETTES})


def _roles(scheme: DynamicScheme, wanted: Sequence[str] | None = None) -> dict[str, str]:
    """Return a mapping from role, such as `onPrimaryContainer`, to colour. None selects all roles."""
    from materialyoucolor.dynamiccolor.material_dynamic_colors import MaterialDynamicColors

    return {
        role.name: f"#{role.get_argb(scheme) & 0xFFFFFF:06X}"
        for role in MaterialDynamicColors(spec=SPECIFICATION).all_colors
        if wanted is None or role.name in wanted
    }
