"""Recipes: written out, because changing one makes every frame fetch every picture anew."""

from __future__ import annotations

import re

import pytest

from contract import recipes
from contract.recipes import recipe, thumbnail_recipe

# SHA-256 of "800x480|focus||device-safe-90|3" and so on. A change here is a deliberate one: it
# re-renders whole libraries, and RENDERER_VERSION is the way to ask for that.
GOLDEN = {
    (800, 480): "2d51236b0a",
    (1024, 600): "15e89b5dc7",
    (1920, 1080): "90c10ccf50",
    (480, 800): "eeb1d78be1",
    (600, 1024): "3637b2d7ef",
}


@pytest.mark.parametrize(("size", "wanted"), GOLDEN.items())
def test_golden_recipes(size: tuple[int, int], wanted: str) -> None:
    assert recipe(*size) == wanted


def test_golden_thumbnail() -> None:
    assert thumbnail_recipe() == "b407cde439"


def test_golden_focus() -> None:
    assert recipe(800, 480, focus=(0.25, 0.5)) == "cf5ffd8f3d"


def test_whatever_decides_the_bytes_decides_the_recipe() -> None:
    made = [
        recipe(800, 480),
        recipe(480, 800),
        recipe(800, 481),
        recipe(8004, 80),
        recipe(800, 480, framing="fit"),
        recipe(800, 480, focus=(0.5, 0.5)),
        recipe(800, 480, focus=(0.5, 0.5001)),
        recipe(800, 480, profile="hardware"),
        recipe(800, 480, renderer_version=recipes.RENDERER_VERSION + 1),
        thumbnail_recipe(),
    ]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("[0-9a-f]{10}", text) for text in made)


def test_a_focus_that_is_the_same_to_four_digits_is_the_same() -> None:
    assert recipe(1, 1, focus=(1 / 3, 0.5)) == recipe(1, 1, focus=(0.33334, 0.50001))
