"""The theme of the pages: every text is readable on each of its backgrounds, for any source colour."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.colours.families import FAMILIES, SWATCHES, families_text, family_of
from backend.colours.schemes import schemes_of
from backend.pages.theme import (
    DEFAULT_SOURCE,
    SHAPE_CONTRAST,
    TEXT_CONTRAST,
    card_stylesheet,
    checked,
    contrast,
    contrast_rules,
    min_contrast,
    readable,
    stylesheet,
    text_on,
)

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06X}")
SOURCES = [DEFAULT_SOURCE, "#000000", "#FFFFFF", "#FFFF00", "#0000FF", "#7F7F7F"]
SOURCES += [f"#{random.Random(seed).randrange(1 << 24):06X}" for seed in range(6)]


def test_contrast_known_pairs_match_wcag() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # a grey that is known to fail narrowly
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@given(COLOURS, COLOURS)
def test_readable_any_background_has_enough_contrast(colour: str, background: str) -> None:
    assert min_contrast(readable(colour, [background]), [background]) >= TEXT_CONTRAST
    assert contrast(text_on(background), background) >= TEXT_CONTRAST
    if contrast(colour, background) >= TEXT_CONTRAST:
        assert readable(colour, [background]) == colour


@pytest.mark.parametrize("source", SOURCES)
def test_checked_every_text_of_a_scheme_is_readable(source: str) -> None:
    schemes = schemes_of(source, "tonal_spot")
    for scheme in (schemes.light, schemes.dark):
        colours = checked(scheme)
        for text, background, minimum in contrast_rules():
            assert minimum in (TEXT_CONTRAST, SHAPE_CONTRAST)
            assert contrast(colours[text], colours[background]) >= minimum, (source, text, background)


def test_checked_unreadable_scheme_is_corrected() -> None:
    scheme = dict.fromkeys(schemes_of(DEFAULT_SOURCE, "tonal_spot").light, "#808080")
    colours = checked(scheme)
    rules = contrast_rules()
    assert len(rules) > 20
    for text, background, minimum in rules:
        assert contrast(colours[text], colours[background]) >= minimum


def test_stylesheet_contains_both_schemes() -> None:
    schemes = schemes_of("#336699", "vibrant")
    text = stylesheet(schemes)
    light, dark = text.split("@media (prefers-color-scheme:dark)")
    assert f"--surface:{schemes.light['surface']};" in light
    assert f"--surface:{schemes.dark['surface']};" in dark
    assert "--on-primary-container:" in light
    assert ".card-dark{" in card_stylesheet(schemes)


def test_family_of_known_colours() -> None:
    named = {
        "#E02020": "red",
        "#F08A24": "orange",
        "#F2E03A": "yellow",
        "#2E7D32": "green",
        "#0F9D9D": "teal",
        "#3366CC": "blue",
        "#000080": "blue",
        "#6A1B9A": "purple",
        "#F48FB1": "pink",
        "#777777": "grey",
        "#000000": "grey",
    }
    assert {colour: family_of(colour) for colour in named} == named
    assert {family: family_of(SWATCHES[family]) for family in FAMILIES} == {family: family for family in FAMILIES}
    palette = {"primary": "#3366CC", "secondary": "#2E7D32", "tertiary": "#335FC0"}
    assert families_text(palette) == ",blue,green,"
    assert families_text({**palette, "neutral": True}) == ",grey,"
    assert families_text(None) == ""
