"""Recipes: ten hex digits that identify everything which decides a variant's bytes.

An object's name contains its recipe, so the content of a name never changes.
A change of anything below creates new names and never overwrites what a frame has cached.
"""

from __future__ import annotations

import hashlib

from contract.panels import PanelSetting

RENDERER_VERSION = 3
"""Incremented whenever the same original and recipe would give other pixels."""

DEVICE_PROFILE = "device-safe-90"
THUMBNAIL_PROFILE = "thumbnail-80"
CENTRE = "centre"
"""Crop the middle of the photo to the screen's shape. Used for the palette alone, and to compare crops."""
FOCUS = "focus"
"""Crop around the focal point, or fit the photo on a background where a crop would lose too much. Used for frames."""
DEFAULT_FRAMING = FOCUS

THUMBNAIL_WIDTH = 200
THUMBNAIL_HEIGHT = 200


def recipe(
    width: int,
    height: int,
    *,
    framing: str = DEFAULT_FRAMING,
    focus: tuple[float, float] | None = None,
    turn: int = 0,
    profile: str = DEVICE_PROFILE,
    renderer_version: int = RENDERER_VERSION,
    panel: PanelSetting | None = None,
) -> str:
    """Return the first 10 hex digits of the SHA-256 of everything that decides a variant's bytes.

    Args:
        width: Width of the variant in pixels.
        height: Height of the variant in pixels.
        framing: `FOCUS` or `CENTRE`.
        focus: The point that the owner chose, as fractions of the upright photo's width and height.
            None leaves the choice to the renderer, which derives it from the photo.
        turn: Quarter turns clockwise, 0 to 3, that the owner added to the EXIF orientation.
        profile: Name of the encoder's settings.
        renderer_version: See `RENDERER_VERSION`.
        panel: The e-paper panel; None for JPEG, whose recipes are those from before there were panels.
    """
    where = "" if focus is None else f"{focus[0]:.4f},{focus[1]:.4f}"
    text = f"{width}x{height}|{framing}|{where}|{profile}|{renderer_version}"
    if turn:  # a photo that is not turned has the names of before there were turns
        text += f"|turn {turn}"
    if panel is not None:
        text += f"|{panel.key}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def thumbnail_recipe(focus: tuple[float, float] | None = None, turn: int = 0) -> str:
    """Return the recipe of a photo's thumbnail. `recipe` describes `focus` and `turn`."""
    return recipe(THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT, focus=focus, turn=turn, profile=THUMBNAIL_PROFILE)
