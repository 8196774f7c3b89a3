"""Permanent records: what the bucket itself remembers, so that the database can be made again.

`images/records/{imageId}.json` is one photo's, `state/devices.json` that of all devices. Each is written
before the change that it tells of is acknowledged. Paths are object names, so that a bucket may move;
times are seconds since the epoch, UTC. A `revision` is raised by every change, so that of two forms of
one record the newer is known without a clock.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from contract.messages.frames import FrameFilters
from contract.messages.processing import Focus, Histogram, ImageId, Orientation, Palette, Side, StageSeconds, Whole

SCHEMA_VERSION = 1


class RecordedResult(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A current variant; `palette` is there only where it is not the photo's own."""

    device: str
    width: Side
    height: Side
    file_path: str
    recipe: str
    processed_at: float
    palette: Palette | None = None


class ImageRecord(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One photo. With `deleted_at` it is a tombstone: nothing else is told any more, and it stays dead.

    `error` is the reason of a photo that has failed; whether another one is complete follows from its
    results and the devices of the day.
    """

    image_id: ImageId
    revision: Whole
    file_path: str = ""
    file_hash: str = ""
    filename: str = ""
    byte_size: Whole = 0
    width: Whole = 0
    height: Whole = 0
    orientation: Orientation = "square"
    ingested_at: float = 0.0
    captured_at: float | None = None
    rendered_at: float | None = None
    processed_at: float | None = None
    render_seconds: float | None = None
    stages: StageSeconds | None = None
    attempts: Whole = 0
    strikes: Whole = 0
    error: str | None = None
    palette: Palette | None = None
    histogram: Annotated[Histogram, Meta(max_length=128)] = field(default_factory=dict)
    thumbnail_path: str | None = None
    focus: Focus | None = None
    found_focus: Focus | None = None
    results: tuple[RecordedResult, ...] = ()
    deleted_at: float | None = None
    schema_version: Whole = SCHEMA_VERSION


class RecordedDevice(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One device; its token is known by its hash alone."""

    id: str
    name: str
    key: str
    width: Side
    height: Side
    orientation: Orientation
    recipe: str
    created_at: float
    changed_at: float
    token_hash: str | None = None
    interval_seconds: Whole = 0
    gap: Whole = 0
    pairing: bool = False
    half_recipe: str | None = None
    filters: FrameFilters | None = None


class DevicesRecord(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """All devices. `picture_key` signs the addresses of their pictures, which all lie in this same bucket."""

    revision: Whole
    devices: tuple[RecordedDevice, ...] = ()
    picture_key: str = ""
    schema_version: Whole = SCHEMA_VERSION
