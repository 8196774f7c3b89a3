"""Recipes with their literal values, because a changed recipe makes every frame download every picture again."""

from __future__ import annotations

import re

import pytest

from contract import recipes
from contract.recipes import recipe, thumbnail_recipe

# SHA-256 of "800x480|focus||device-safe-90|3" and so on. A change re-renders complete libraries, so it must be
# deliberate; increment RENDERER_VERSION for it.
GOLDEN = {
    (800, 480): "2d51236b0a",
    (1024, 600): "15e89b5dc7",
    (1920, 1080): "90c10ccf50",
    (480, 800): "eeb1d78be1",
    (600, 1024): "3637b2d7ef",
}


# SHA-256 of "800x480|focus||device-safe-90|3|turn 1" and so on.
GOLDEN_TURNS = ["91118bab8c", "b6f512dd4e", "186bdb1dc0"]


@pytest.mark.parametrize(("size", "expected"), GOLDEN.items())
def test_recipe_has_its_published_value(size: tuple[int, int], expected: str) -> None:
    assert recipe(*size) == expected


def test_thumbnail_recipe_has_its_published_value() -> None:
    assert thumbnail_recipe() == "b407cde439"


def test_recipe_with_focus_has_its_published_value() -> None:
    assert recipe(800, 480, focus=(0.25, 0.5)) == "cf5ffd8f3d"


def test_recipe_with_a_turn_has_its_published_value() -> None:
    assert recipe(800, 480, turn=0) == recipe(800, 480), "a photo that is not turned has its earlier names"
    assert [recipe(800, 480, turn=turn) for turn in (1, 2, 3)] == GOLDEN_TURNS
    assert len({thumbnail_recipe(turn=turn) for turn in range(4)}) == 4


def test_every_argument_changes_the_recipe() -> None:
    variations = [
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
    assert len(set(variations)) == len(variations)
    assert [text for text in variations if not re.fullmatch("[0-9a-f]{10}", text)] == []


def test_recipe_rounds_the_focus_to_four_digits() -> None:
    assert recipe(1, 1, focus=(1 / 3, 0.5)) == recipe(1, 1, focus=(0.33334, 0.50001))
