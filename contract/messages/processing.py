"""Messages between the backend and the tasks.

Existing clients fix the JSON field names; `rename` maps them to Python names.
A new field always has a default, so that messages of an older peer remain valid.
Sizes are in pixels and times in seconds since the epoch (UTC), unless the name states otherwise.
Colours are `#RRGGBB` in upper case.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from contract.panels import PanelSetting

Orientation = Literal["portrait", "landscape", "square"]
ImageState = Literal["pending", "processing", "complete", "failed"]

# Python's `$` also matches before a trailing line feed. `(?!\n)` excludes that and is valid in the OpenAPI document.
ImageId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="first 32 hex digits of the SHA-256 of the upload")
]
Colour = Annotated[str, Meta(pattern=r"^#[0-9A-F]{6}$(?!\n)", description="#RRGGBB, upper case")]
RecipeId = Annotated[str, Meta(pattern=r"^[0-9a-f]{10}$(?!\n)")]
# No control characters and no separators; not `.` or `..`.
DeviceName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f/\\]+$(?!\n)")]
# The `deviceSize` of results: the key of a device, or the key of the device's half (`contract/split_screen.py`).
DeviceKey = Annotated[str, Meta(max_length=69, pattern=r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f/\\]+(/half)?$(?!\n)")]
Side = Annotated[int, Meta(ge=1, le=8192)]  # width or height of a screen: up to 8K
Focus = tuple[Annotated[float, Meta(ge=0, le=1)], Annotated[float, Meta(ge=0, le=1)]]  # fractions of upright (w, h)
Turn = Annotated[int, Meta(ge=0, le=3, description="quarter turns clockwise, in addition to the EXIF orientation")]
LeaseToken = Annotated[str, Meta(max_length=96, pattern=r"^[0-9a-zA-Z._-]+$(?!\n)")]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # fits a 32-bit integer column


def orientation_of(width: int, height: int) -> Orientation:
    """Return the orientation of an upright picture; sides within 5 % of each other are square."""
    if abs(width / height - 1) < 0.05:
        return "square"
    return "landscape" if width > height else "portrait"


class Device(Struct, frozen=True, kw_only=True):
    """A screen that variants are rendered for.

    `id` appears in routes, and `name` is displayed.
    `key` is the name at creation, used as `deviceSize` of results and in object names.
    `id` and `key` default to the name.
    `panel` is set for e-paper; without it, variants are JPEG.
    """

    name: DeviceName
    width: Side
    height: Side
    id: DeviceName | None = None
    orientation: Orientation | None = None
    key: DeviceKey | None = None
    panel: PanelSetting | None = None

    def __post_init__(self) -> None:
        if self.id is None:
            msgspec.structs.force_setattr(self, "id", self.name)
        if self.key is None:
            msgspec.structs.force_setattr(self, "key", self.name)
        if self.orientation is None:
            msgspec.structs.force_setattr(self, "orientation", orientation_of(self.width, self.height))


class Palette(Struct, frozen=True, kw_only=True, rename="camel"):
    """Eight Material colours of a photo, best first. `neutral`: the photo has none, and these are its tones."""

    primary: Colour
    secondary: Colour
    tertiary: Colour
    source_color: Colour
    all_colors: Annotated[tuple[Colour, ...], Meta(min_length=1, max_length=8)]
    neutral: bool = False


Histogram = dict[Colour, Annotated[int, Meta(ge=1)]]
"""Quantized colours and the number of pixels of the downsampled copy that each represents; at most 128 entries."""


class ClaimRequest(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False):
    """Request for up to `limit` images. `owner` is execution and task, `attempt` the task's attempt.

    `claim_id` makes the call idempotent: a repeated id returns the same leases.
    """

    owner: Annotated[str, Meta(min_length=1, max_length=200)]
    attempt: Count = 0
    shard: Count = 0
    shards: Annotated[int, Meta(ge=1, le=10_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=50)] = 8
    claim_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")] | None = None
    renderer_version: int | None = None


class WorkItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """One variant to render of an image: the device's key and its current recipe."""

    device: DeviceKey
    recipe: RecipeId


class ClaimedImage(Struct, frozen=True, kw_only=True, rename="camel"):
    """An image under lease, and the variants that are missing (`work`).

    `suspect` marks an image whose earlier attempt never reported: it is rendered in a sandbox process.
    `focus` is the owner's choice; without it the renderer detects the focal point. `turn` is the owner's choice too;
    width, height and focus are those of the turned photo.
    `byte_size` is that of the original, or 0 if unknown.
    """

    id: ImageId
    file_path: str
    width: int
    height: int
    orientation: Orientation
    lease: LeaseToken
    lease_until: float
    filename: str = ""
    attempt: int = 0
    suspect: bool = False
    work: tuple[WorkItem, ...] = ()
    focus: Focus | None = None
    byte_size: Count = 0
    turn: Turn = 0


class ClaimAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The claimed images, the devices of their missing variants, and the durations of leases in seconds."""

    images: tuple[ClaimedImage, ...]
    devices: tuple[Device, ...]
    lease_seconds: float = 60.0
    renew_seconds: float = 20.0


class LeaseList(Struct, frozen=True, kw_only=True):
    """Leases to renew or to release."""

    leases: Annotated[tuple[LeaseToken, ...], Meta(max_length=500)]


class LeaseAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The leases that are still valid, and those that are lost."""

    held: tuple[LeaseToken, ...]
    lost: tuple[LeaseToken, ...] = ()
    lease_until: float = 0.0


class AttemptStart(Struct, frozen=True, kw_only=True):
    """Report that decoding begins. Without a lease the caller is a legacy client."""

    attempt: Count = 0
    lease: LeaseToken | None = None


class LegacyDevice(Struct, frozen=True, kw_only=True):
    """A device as the legacy client reads it: its `name` is the key."""

    name: str
    width: int
    height: int
    orientation: Orientation


class AttemptAnswer(Struct, frozen=True, kw_only=True):
    """The attempt's number, and the devices to render for."""

    attempt: int
    devices: tuple[LegacyDevice, ...]


class PendingImage(Struct, frozen=True, kw_only=True):
    """One entry of the pending list; existing clients expect snake_case."""

    id: ImageId
    file_path: str
    width: int
    height: int
    orientation: Orientation


class Thumbnail(Struct, frozen=True, kw_only=True, rename="camel"):
    """The thumbnail of an image, which is used on pages and never on a device."""

    file_path: str
    width: int
    height: int


class ProcessedImage(Struct, frozen=True, kw_only=True, rename="camel"):
    """One rendered variant. A legacy client sends no lease and no recipe."""

    image_id: ImageId
    device_size: DeviceKey
    width: Side
    height: Side
    file_path: Annotated[str, Meta(min_length=1, max_length=1024)]
    color_palette: Palette
    lease: LeaseToken | None = None
    recipe: RecipeId | None = None


class ImageOutcome(Struct, frozen=True, kw_only=True, rename="camel"):
    """Results for an image as a whole; they complete the image.

    `width` and `height` are those of the upright photo, as the task found them; 0 from an older task.
    """

    image_id: ImageId
    lease: LeaseToken
    color_palette: Palette
    histogram: Annotated[Histogram, Meta(max_length=128)] = field(default_factory=dict)
    thumbnail: Thumbnail | None = None
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    processed_at: float = 0.0
    found_focus: Focus | None = None
    stages: StageSeconds | None = None
    width: Count = 0
    height: Count = 0


class ProcessedImages(Struct, frozen=True, kw_only=True):
    """A batch of variants; the images in `outcomes` are complete with it."""

    images: Annotated[tuple[ProcessedImage, ...], Meta(max_length=5000)]
    outcomes: Annotated[tuple[ImageOutcome, ...], Meta(max_length=500)] = ()


class RowError(Struct, frozen=True, kw_only=True, rename="camel"):
    """Reason for a rejected row of a batch."""

    image_id: str
    device_size: str
    error: str


class ProcessedAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Number of stored rows, and the rejected ones."""

    inserted: int
    errors: tuple[RowError, ...] = ()


class Failure(Struct, frozen=True, kw_only=True):
    """A photo that cannot be rendered. `strike`: its sandbox process crashed, which counts towards the crash limit."""

    error: str
    attempt: Count | None = 0
    lease: LeaseToken | None = None
    strike: bool = False


class Success(Struct, frozen=True, kw_only=True):
    """Response to an accepted report."""

    success: bool = True


MAX_SECONDS = 1e6
"""A longer duration can only come from a clock that was changed during the measurement."""

Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]


class StageSeconds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Wall time of each stage in seconds, in order. A task reports all but `report`, which the backend adds.

    Attributes:
        waiting: For memory and a render thread.
        fetching: For bytes of the original while nothing else could be done; decoding overlaps the download.
        announcing: Reporting the start of the attempt.
        decoding: Decoding the photo.
        colours: Quantizing, scoring and the detection of the focal point.
        pictures: Resizing and encoding.
        storing: Until all variants are in the bucket.
        report: From there, with the sidecar, until the rows are in the database; by the clocks of both programs.
    """

    waiting: Seconds = 0.0
    fetching: Seconds = 0.0
    announcing: Seconds = 0.0
    decoding: Seconds = 0.0
    colours: Seconds = 0.0
    pictures: Seconds = 0.0
    storing: Seconds = 0.0
    report: Seconds = 0.0
