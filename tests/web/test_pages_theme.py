"""The pages' own colours: every text can be read on every ground that it may stand on, whatever the newest photo is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.colours.families import FAMILIES, SWATCHES, families_text, family_of
from backend.colours.schemes import schemes_of
from backend.pages.contrast import SHAPES, TEXT, least_ratio, ratio, readable, text_on
from backend.pages.theme import DEFAULT_SOURCE, card_stylesheet, checked, pairs, stylesheet

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06X}")
SOURCES = [DEFAULT_SOURCE, "#000000", "#FFFFFF", "#FFFF00", "#0000FF", "#7F7F7F"]
SOURCES += [f"#{random.Random(seed).randrange(1 << 24):06X}" for seed in range(6)]


def test_contrast_is_that_of_wcag() -> None:
    assert ratio("#000000", "#FFFFFF") == pytest.approx(21)
    assert ratio("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # the known grey that just fails
    assert ratio("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)
    assert ratio("#123456", "#123456") == 1


@given(COLOURS, COLOURS)
def test_text_becomes_readable_on_any_ground(colour: str, ground: str) -> None:
    assert least_ratio(readable(colour, [ground]), [ground]) >= TEXT
    assert ratio(text_on(ground), ground) >= TEXT
    if ratio(colour, ground) >= TEXT:
        assert readable(colour, [ground]) == colour


@pytest.mark.parametrize("source", SOURCES)
def test_every_text_of_a_theme_is_readable(source: str) -> None:
    schemes = schemes_of(source, "tonal_spot")
    for scheme in (schemes.light, schemes.dark):
        found = checked(scheme)
        for text, ground, least in pairs():
            assert least in (TEXT, SHAPES)
            assert ratio(found[text], found[ground]) >= least, (source, text, ground)


def test_a_scheme_that_cannot_be_read_is_mended() -> None:
    scheme = dict.fromkeys(schemes_of(DEFAULT_SOURCE, "tonal_spot").light, "#808080")
    found = checked(scheme)
    assert all(ratio(found[text], found[ground]) >= least for text, ground, least in pairs())


def test_a_stylesheet_names_both_schemes_and_no_colour_else() -> None:
    schemes = schemes_of("#336699", "vibrant")
    text = stylesheet(schemes)
    light, dark = text.split("@media (prefers-color-scheme:dark)")
    assert f"--surface:{schemes.light['surface']};" in light
    assert f"--surface:{schemes.dark['surface']};" in dark
    assert "--on-primary-container:" in light
    assert ".card-dark{" in card_stylesheet(schemes)


def test_families_of_colours() -> None:
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
