"""Permanent records in the bucket, from which the database can be rebuilt.

`images/records/{imageId}.json` describes one photo, `state/devices.json` all devices.
A record is written before its change is acknowledged.
Paths are object names, so a bucket may be moved; times are seconds since the epoch (UTC).
Every change increments `revision`, so the newer of two copies is known without a clock.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from contract.messages.frames import FrameFilters
from contract.messages.processing import (
    Count,
    Focus,
    Histogram,
    ImageId,
    Orientation,
    Palette,
    Side,
    StageSeconds,
    Turn,
)
from contract.panels import PanelSetting

SCHEMA_VERSION = 1


class RecordedResult(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A current variant; `palette` is set only if it differs from the photo's."""

    device: str
    width: Side
    height: Side
    file_path: str
    recipe: str
    processed_at: float
    palette: Palette | None = None


class ImageRecord(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One photo. With `deleted_at` it is a tombstone: no other field counts, and the photo is never restored.

    `error` is set if the photo failed.
    Width, height, orientation and the focal points are those of the photo after `turn`.
    Whether a photo is complete follows from its results and the current devices.
    """

    image_id: ImageId
    revision: Count
    file_path: str = ""
    file_hash: str = ""
    filename: str = ""
    byte_size: Count = 0
    width: Count = 0
    height: Count = 0
    orientation: Orientation = "square"
    ingested_at: float = 0.0
    captured_at: float | None = None
    turned: bool = False
    rendered_at: float | None = None
    processed_at: float | None = None
    render_seconds: float | None = None
    stages: StageSeconds | None = None
    attempts: Count = 0
    strikes: Count = 0
    error: str | None = None
    palette: Palette | None = None
    histogram: Annotated[Histogram, Meta(max_length=128)] = field(default_factory=dict)
    thumbnail_path: str | None = None
    focus: Focus | None = None
    found_focus: Focus | None = None
    turn: Turn = 0
    results: tuple[RecordedResult, ...] = ()
    deleted_at: float | None = None
    schema_version: Count = SCHEMA_VERSION


class RecordedDevice(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One device; only the hash of its token is stored. `picture_salt` is part of what its addresses sign."""

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
    panel: PanelSetting | None = None
    picture_salt: str = ""
    interval_seconds: Count = 0
    gap: Count = 0
    pairing: bool = False
    half_recipe: str | None = None
    filters: FrameFilters | None = None


class DevicesRecord(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """All devices. `picture_key` signs the URLs of their pictures, which are stored in the same bucket."""

    revision: Count
    devices: tuple[RecordedDevice, ...] = ()
    picture_key: str = ""
    schema_version: Count = SCHEMA_VERSION
