"""What is asked of an image, and what is said of it: rows and outcome for the backend, a sidecar. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from contract.messages.processing import ClaimedImage, Device, ImageOutcome, ProcessedImage, StageSeconds, Thumbnail
from contract.messages.sidecars import Sidecar, SidecarResult
from contract.recipes import THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH, recipe
from processor.errors import VersionMismatch
from processor.task.reporter import Result

if TYPE_CHECKING:
    from processor.render.pipeline import RenderedImage


class Stored(Struct, frozen=True, kw_only=True):
    """Where the pictures of one image lie: URIs, the variants' by device key."""

    variants: dict[str, str]
    thumbnail: str


class Spent(Struct, frozen=True, kw_only=True):
    """The seconds that an image took in all, and in which stages, unless it was rendered in a process of its own."""

    seconds: float
    stages: StageSeconds | None


def wanted_devices(image: ClaimedImage, devices: Mapping[str, Device]) -> tuple[Device, ...]:
    """The devices that `image` lacks pictures for.

    Raises VersionMismatch where the backend asks for a picture that this renderer would not make.
    """
    wanted = []
    for item in image.work:
        device = devices.get(item.device)
        ours = recipe(device.width, device.height) if device else "none, as it did not say its size"
        if device is None or item.recipe != ours:
            raise VersionMismatch(
                f"the backend asks for recipe {item.recipe} for device {item.device!r}, this processor makes {ours}; "
                "deploy the backend and the processor from the same version"
            )
        wanted.append(device)
    return tuple(wanted)


def _thumbnail(stored: Stored) -> Thumbnail:
    return Thumbnail(file_path=stored.thumbnail, width=THUMBNAIL_WIDTH, height=THUMBNAIL_HEIGHT)


def result_of(
    image: ClaimedImage, rendered: RenderedImage, stored: Stored, *, processed_at: float, spent: Spent
) -> Result:
    """The rows and the outcome to report under the image's lease; `processed_at` in epoch seconds."""
    rows = tuple(
        ProcessedImage(
            image_id=image.id,
            device_size=str(variant.device.key),
            width=variant.width,
            height=variant.height,
            file_path=stored.variants[str(variant.device.key)],
            color_palette=rendered.palette,
            lease=image.lease,
            recipe=recipe(variant.device.width, variant.device.height),
        )
        for variant in rendered.variants
    )
    outcome = ImageOutcome(
        image_id=image.id,
        lease=image.lease,
        color_palette=rendered.palette,
        histogram=rendered.histogram,
        thumbnail=_thumbnail(stored),
        seconds=spent.seconds,
        processed_at=processed_at,
        found_focus=rendered.found_focus,
        stages=spent.stages,
    )
    return Result(rows, outcome)


def sidecar_of(
    image_id: str, rendered: RenderedImage, stored: Stored, processed_at: str, *, owner: str, spent: Spent
) -> Sidecar:
    """The sidecar; `processed_at` in ISO 8601, UTC."""
    palette = rendered.palette
    return Sidecar(
        image_id=image_id,
        neutral=palette.neutral,
        processed_at=processed_at,
        results=tuple(
            SidecarResult(
                device_size=str(variant.device.key),
                width=variant.width,
                height=variant.height,
                file_path=stored.variants[str(variant.device.key)],
                colors=palette.all_colors,
                primary=palette.primary,
                secondary=palette.secondary,
                tertiary=palette.tertiary,
                recipe=recipe(variant.device.width, variant.device.height),
            )
            for variant in rendered.variants
        ),
        source_color=palette.source_color,
        histogram=rendered.histogram,
        thumbnail=_thumbnail(stored),
        owner=owner,
        seconds=spent.seconds,
        focus=rendered.focus,
        found_focus=rendered.found_focus,
        stages=spent.stages,
    )
