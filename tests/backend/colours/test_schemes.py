"""Colour schemes: comparison with Material's published colours, contrast, variants and the size of the cache."""

from __future__ import annotations

from typing import get_args

import pytest
from materialyoucolor.dynamiccolor.dynamic_scheme import DynamicScheme
from materialyoucolor.dynamiccolor.material_dynamic_colors import MaterialDynamicColors
from materialyoucolor.dynamiccolor.variant import Variant
from materialyoucolor.hct import Hct

from backend.colours.schemes import MAX_CACHED_SCHEMES, _schemes, default_variant, schemes_of
from contract.colour.histogram import lab_of
from contract.messages.frames import SchemeVariant
from contract.messages.processing import Palette

BLUE = "#0000FF"


def palette(*, neutral: bool) -> Palette:
    grey = "#808080"
    return Palette(
        primary=grey, secondary=grey, tertiary=grey, source_color=grey, all_colors=(grey,) * 8, neutral=neutral
    )


def chroma(colour: str) -> float:
    _, a, b = lab_of(colour)
    return float((a * a + b * b) ** 0.5)


def test_schemes_of_blue_equal_the_colours_in_materials_own_tests() -> None:
    # scheme_tonal_spot_test and dynamic_color tests of material-color-utilities: Hct.fromInt(0xff0000ff), 2021
    schemes = schemes_of(BLUE, "tonal_spot")
    assert schemes.light["primary"] == "#555992"
    assert schemes.light["primaryContainer"] == "#E0E0FF"
    assert schemes.dark["primary"] == "#BEC2FF"
    assert schemes.dark["primaryContainer"] == "#3E4278"


@pytest.mark.parametrize("variant", get_args(SchemeVariant))
def test_schemes_of_every_variant_have_all_roles_with_readable_text(variant: SchemeVariant) -> None:
    schemes = schemes_of("#7A4B10", variant)
    assert schemes.variant == variant
    assert schemes.light.keys() == schemes.dark.keys()
    assert {"primary", "onPrimary", "secondary", "tertiary", "surface", "onSurface", "outline", "error"} <= set(
        schemes.light
    )
    for scheme in (schemes.light, schemes.dark):
        for role in ("Primary", "Secondary", "Tertiary", "Surface"):
            text, background = scheme[f"on{role}"], scheme[role.lower()]
            assert abs(lab_of(text)[0] - lab_of(background)[0]) >= 40
    assert lab_of(schemes.light["surface"])[0] > 90
    assert lab_of(schemes.dark["surface"])[0] < 15


@pytest.mark.parametrize("variant", get_args(SchemeVariant))
@pytest.mark.parametrize("source", ["#7A4B10", "#0000FF", "#808080", "#FFF0F0"])
def test_schemes_of_dark_equals_the_librarys_scheme(variant: SchemeVariant, source: str) -> None:
    scheme = DynamicScheme(
        source_color_hct=Hct.from_int(0xFF000000 | int(source[1:], 16)),
        variant=Variant[variant.upper()],
        contrast_level=0.3,
        is_dark=True,
        spec_version="2021",
    )
    roles = MaterialDynamicColors(spec="2021").all_colors
    assert schemes_of(source, variant, 0.3).dark == {
        role.name: f"#{role.get_argb(scheme) & 0xFFFFFF:06X}" for role in roles
    }


def test_schemes_of_variants_differ() -> None:
    schemes = [schemes_of(BLUE, variant).light for variant in get_args(SchemeVariant)]
    assert len({(scheme["primaryContainer"], scheme["tertiary"]) for scheme in schemes}) == 4


def test_schemes_of_higher_contrast_separates_colours_more() -> None:
    def lightness_difference(contrast: float) -> float:
        light = schemes_of(BLUE, "tonal_spot", contrast).light
        return lab_of(light["surface"])[0] - lab_of(light["primary"])[0]

    assert lightness_difference(-1) < lightness_difference(0) < lightness_difference(1)


def test_schemes_of_rounds_contrast_and_rejects_values_out_of_range() -> None:
    assert schemes_of(BLUE, "neutral", 0.5) is schemes_of(BLUE, "neutral", 0.5004)
    for contrast in (-1.01, 1.01, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="contrast must be from -1 to 1"):
            schemes_of(BLUE, "neutral", contrast)


def test_default_variant_of_neutral_palette_stays_neutral() -> None:
    assert default_variant(palette(neutral=False)) == "tonal_spot"
    variant = default_variant(palette(neutral=True))
    schemes = schemes_of("#808080", variant)
    for scheme in (schemes.light, schemes.dark):
        assert max(chroma(scheme[role]) for role in ("primary", "secondary", "tertiary", "surface")) < 6


def test_schemes_of_cache_is_bounded() -> None:
    assert _schemes.cache_info().maxsize == MAX_CACHED_SCHEMES
