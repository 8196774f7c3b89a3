"""Sidecar of an image, which a task writes to the bucket before it reports."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from contract.messages.processing import (
    Colour,
    DeviceKey,
    Focus,
    Histogram,
    ImageId,
    RecipeId,
    Side,
    StageSeconds,
    Thumbnail,
    Turn,
)


class SidecarResult(Struct, frozen=True, kw_only=True, rename="camel"):
    """One variant in a sidecar; `colors` is its complete palette."""

    device_size: DeviceKey
    width: Side
    height: Side
    file_path: str
    colors: tuple[Colour, ...]
    primary: Colour
    secondary: Colour
    tertiary: Colour
    recipe: RecipeId | None = None


class Sidecar(Struct, frozen=True, kw_only=True, rename="camel"):
    """The sidecar of one image; `processedAt` in ISO 8601, UTC.

    Sidecars of the legacy system end with `results`.
    `focus` and `turn` are the owner's choices that the variants were rendered with, `found_focus` the renderer's own
    result.
    """

    image_id: ImageId
    processed_at: str
    results: Annotated[tuple[SidecarResult, ...], Meta(max_length=1000)]
    source_color: Colour | None = None
    histogram: Annotated[Histogram, Meta(max_length=128)] = field(default_factory=dict)
    thumbnail: Thumbnail | None = None
    owner: str = ""
    seconds: float = 0.0
    neutral: bool = False
    focus: Focus | None = None
    found_focus: Focus | None = None
    stages: StageSeconds | None = None
    turn: Turn = 0
    schema_version: int = 1
