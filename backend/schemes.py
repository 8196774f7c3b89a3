"""Full Material 3 colour schemes, light and dark, made from one source colour when somebody asks.

The rules are those of Material's colour specification of 2021 for every variant: what apps in use show, and the
only one that has all of these variants (that of 2025 knows no fidelity, and would mix two looks in one list).
"""

from __future__ import annotations

from functools import lru_cache

from contract.admin_messages import ColourSchemes, SchemeVariant
from contract.messages import Palette

SPECIFICATION = "2021"
KEPT_SCHEMES = 512
"""Answers kept in memory, about 16 KB each; making one takes 10 to 30 ms."""
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


@lru_cache(maxsize=KEPT_SCHEMES)
def _schemes(source: str, variant: SchemeVariant, contrast_steps: int) -> ColourSchemes:
    contrast = contrast_steps / CONTRAST_STEPS
    return ColourSchemes(
        source_color=source,
        variant=variant,
        contrast=contrast,
        light=_scheme(source, variant, contrast, dark=False),
        dark=_scheme(source, variant, contrast, dark=True),
    )


def _scheme(source: str, variant: SchemeVariant, contrast: float, *, dark: bool) -> dict[str, str]:
    """Every role of the specification by its name, such as `onPrimaryContainer`."""
    from materialyoucolor.dynamiccolor.dynamic_scheme import DynamicScheme
    from materialyoucolor.dynamiccolor.material_dynamic_colors import MaterialDynamicColors
    from materialyoucolor.dynamiccolor.variant import Variant
    from materialyoucolor.hct import Hct

    scheme = DynamicScheme(
        source_color_hct=Hct.from_int(0xFF000000 | int(source[1:], 16)),
        variant=Variant[variant.upper()],
        contrast_level=contrast,
        is_dark=dark,
        spec_version=SPECIFICATION,
    )
    return {
        role.name: f"#{role.get_argb(scheme) & 0xFFFFFF:06X}"
        for role in MaterialDynamicColors(spec=SPECIFICATION).all_colors
    }
