"""The sidecar of an image: what a task leaves in the bucket before it reports."""

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
)


class SidecarResult(Struct, frozen=True, kw_only=True, rename="camel"):
    """One variant as a sidecar tells it; `colors` are all of its palette."""

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
    """The sidecar of one image, `processedAt` in ISO 8601, UTC.

    Everything after `results` is this project's; the model system's sidecars lack it. `focus` is the owner's choice
    that the pictures were made with, `found_focus` what the renderer would have taken.
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
    schema_version: int = 1
