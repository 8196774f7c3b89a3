"""The recipe of a picture: everything that decides its bytes, as ten hex digits.

An object's name carries its recipe, so a name never changes its content, and a change of
anything listed here makes new names instead of overwriting what a frame has cached.
"""

from __future__ import annotations

import hashlib

RENDERER_VERSION = 3
"""Raised whenever the same original and recipe would give other pixels."""

DEVICE_PROFILE = "device-safe-90"
THUMBNAIL_PROFILE = "thumbnail-80"
CENTRE = "centre"
"""The middle of the photo, cut to the screen's shape: for `render_image` by itself, and for comparing."""
FOCUS = "focus"
"""Around the photo's focal point; fitted on a background where cutting would lose too much: what frames are given."""
DEFAULT_FRAMING = FOCUS

THUMBNAIL_WIDTH = 200
THUMBNAIL_HEIGHT = 200


def recipe(
    width: int,
    height: int,
    *,
    framing: str = DEFAULT_FRAMING,
    focus: tuple[float, float] | None = None,
    profile: str = DEVICE_PROFILE,
    renderer_version: int = RENDERER_VERSION,
) -> str:
    """The first 10 hex digits of the SHA-256 of what decides a picture's bytes.

    `width` and `height` are in pixels; `focus` is the point that the owner chose, as fractions of the upright
    picture, or None where the renderer takes what it finds, which follows from the photo.
    """
    where = "" if focus is None else f"{focus[0]:.4f},{focus[1]:.4f}"
    text = f"{width}x{height}|{framing}|{where}|{profile}|{renderer_version}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def thumbnail_recipe(focus: tuple[float, float] | None = None) -> str:
    """The recipe of the thumbnail of a photo with this chosen focus, or none."""
    return recipe(THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT, focus=focus, profile=THUMBNAIL_PROFILE)
