"""Full Material 3 colour schemes, light and dark, made from one source colour when somebody asks.

The rules are those of Material's colour specification of 2021 for every variant: what apps in use show, and the
only one that has all of these variants (that of 2025 knows no fidelity, and would mix two looks in one list).

Answers are kept in memory and not in the database: after a restart one is made again in less time than a person
notices, while a stored one would have to follow every change of library, source colour and contrast.
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
KEPT_SCHEMES = 512
"""Answers kept in memory, about 16 KB each. Making one took 10 to 12 ms of CPU, with fidelity 30 to 45."""
PALETTES = tuple(
    f"{name}_palette" for name in ("primary", "secondary", "tertiary", "neutral", "neutral_variant", "error")
)
KEPT_FRAME_ROLES = 4096
"""Answers for frames kept in memory, about 2 KB each."""
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
"""What a frame draws with beside a photo: a clock, a caption, a margin. All roles would be 4 KB for each picture."""
CONTRAST_STEPS = 100
"""Contrast is taken in hundredths, so that the answers that can be asked for are countable."""


def default_variant(palette: Palette) -> SchemeVariant:
    """Tonal spot, Material's own default; for a photo without colour fidelity, which adds none to a grey."""
    return "fidelity" if palette.neutral else "tonal_spot"


def schemes_of(source: str, variant: SchemeVariant, contrast: float = 0.0) -> ColourSchemes:
    """The light and the dark scheme from `source`, `#RRGGBB`. `contrast` from -1 (least) over 0 to 1 (most).

    Contrast is rounded to hundredths. Raises ValueError for a contrast out of range. The same object is given to all
    who ask for the same, so nobody may change its mappings.
    """
    if not -1 <= contrast <= 1:
        raise ValueError(f"contrast must be from -1 to 1, not {contrast}")
    return _schemes(source, variant, round(contrast * CONTRAST_STEPS))


@lru_cache(maxsize=KEPT_FRAME_ROLES)
def frame_roles(source: str, variant: SchemeVariant) -> tuple[dict[str, Colour], dict[str, Colour]]:
    """`FRAME_ROLES` of the light and of the dark scheme. The same objects are given to all, who may not change them."""
    light, dark = _pair(source, variant, 0.0)
    return _roles(light, FRAME_ROLES), _roles(dark, FRAME_ROLES)


@lru_cache(maxsize=KEPT_SCHEMES)
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

    about = {
        "source_color_hct": Hct.from_int(0xFF000000 | int(source[1:], 16)),
        "variant": Variant[variant.upper()],
        "contrast_level": contrast,
        "spec_version": SPECIFICATION,
    }
    light = DynamicScheme(is_dark=False, **about)
    # Of this specification both have the same tonal palettes, and looking for them is most of the work.
    return light, DynamicScheme(is_dark=True, **about, **{name: getattr(light, name) for name in PALETTES})


def _roles(scheme: DynamicScheme, wanted: Sequence[str] | None = None) -> dict[str, str]:
    """Every role of the specification by its name, such as `onPrimaryContainer`, or those wanted."""
    from materialyoucolor.dynamiccolor.material_dynamic_colors import MaterialDynamicColors

    return {
        role.name: f"#{role.get_argb(scheme) & 0xFFFFFF:06X}"
        for role in MaterialDynamicColors(spec=SPECIFICATION).all_colors
        if wanted is None or role.name in wanted
    }
