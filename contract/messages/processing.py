"""What travels over HTTP between the backend and the tasks.

The field names on the wire are given by clients that exist; `rename` keeps them while the Python names follow the
language. A new field always has a default, so that an older peer's message stays valid. Sizes are in pixels, times
are seconds since the epoch (UTC) unless the name says otherwise, colours are `#RRGGBB` in upper case.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

Orientation = Literal["portrait", "landscape", "square"]
ImageState = Literal["pending", "processing", "complete", "failed"]

# Python's `$` also matches before a last line feed; `(?!\n)` refuses that, and readers of the OpenAPI document take it.
ImageId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="first 32 hex digits of the SHA-256 of the upload")
]
Colour = Annotated[str, Meta(pattern=r"^#[0-9A-F]{6}$(?!\n)", description="#RRGGBB, upper case")]
RecipeId = Annotated[str, Meta(pattern=r"^[0-9a-f]{10}$(?!\n)")]
# No control characters, no separators and no dots alone: such a name is nobody's device.
DeviceName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f/\\]+$(?!\n)")]
# What results call `deviceSize`: a device's key, or that of its half (`contract/split_screen.py`).
DeviceKey = Annotated[str, Meta(max_length=69, pattern=r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f/\\]+(/half)?$(?!\n)")]
Side = Annotated[int, Meta(ge=1, le=8192)]  # of a device's picture: 8K in either direction at most
Focus = tuple[Annotated[float, Meta(ge=0, le=1)], Annotated[float, Meta(ge=0, le=1)]]  # of the upright width, height
LeaseToken = Annotated[str, Meta(max_length=96, pattern=r"^[0-9a-zA-Z._-]+$(?!\n)")]
Whole = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # what a database column of 32 bits holds


def orientation_of(width: int, height: int) -> Orientation:
    """The orientation of an upright picture; within 5 % of equal sides it is square."""
    if abs(width / height - 1) < 0.05:
        return "square"
    return "landscape" if width > height else "portrait"


class Device(Struct, frozen=True, kw_only=True):
    """A screen that pictures are made for.

    `id` stands in routes, `name` is shown, `key` is the name at creation: it is what results
    call `deviceSize` and what object names contain. `id` and `key` default to the name.
    """

    name: DeviceName
    width: Side
    height: Side
    id: DeviceName | None = None
    orientation: Orientation | None = None
    key: DeviceKey | None = None

    def __post_init__(self) -> None:
        if self.id is None:
            msgspec.structs.force_setattr(self, "id", self.name)
        if self.key is None:
            msgspec.structs.force_setattr(self, "key", self.name)
        if self.orientation is None:
            msgspec.structs.force_setattr(self, "orientation", orientation_of(self.width, self.height))


class Palette(Struct, frozen=True, kw_only=True, rename="camel"):
    """The Material colours of a photo, best first, eight in all; `neutral` if it has none and these are its tones."""

    primary: Colour
    secondary: Colour
    tertiary: Colour
    source_color: Colour
    all_colors: Annotated[tuple[Colour, ...], Meta(min_length=1, max_length=8)]
    neutral: bool = False


Histogram = dict[Colour, Annotated[int, Meta(ge=1)]]
"""Quantized colours and how many proxy pixels each stands for; at most 128 entries."""


class ClaimRequest(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False):
    """Ask for up to `limit` images. `owner` is execution and task, `attempt` the task's attempt.

    `claim_id` makes the call repeatable: the same id again answers with the same leases.
    """

    owner: Annotated[str, Meta(min_length=1, max_length=200)]
    attempt: Whole = 0
    shard: Whole = 0
    shards: Annotated[int, Meta(ge=1, le=10_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=50)] = 8
    claim_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")] | None = None
    renderer_version: int | None = None


class WorkItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """One picture to be made of one image: the device's key and today's recipe for it."""

    device: DeviceKey
    recipe: RecipeId


class ClaimedImage(Struct, frozen=True, kw_only=True, rename="camel"):
    """An image under lease, and the pictures it lacks.

    A `suspect` began an attempt that never reported: it is rendered in a child process. `focus` is its owner's choice;
    without one the renderer finds it. `byte_size` is the original's, 0 where it is not known.
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
    byte_size: Whole = 0


class ClaimAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The claimed images, the devices that their work names, and how long a lease lasts."""

    images: tuple[ClaimedImage, ...]
    devices: tuple[Device, ...]
    lease_seconds: float = 60.0
    renew_seconds: float = 20.0


class LeaseList(Struct, frozen=True, kw_only=True):
    """Leases to renew or to release."""

    leases: Annotated[tuple[LeaseToken, ...], Meta(max_length=500)]


class LeaseAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which leases still hold, and which are lost."""

    held: tuple[LeaseToken, ...]
    lost: tuple[LeaseToken, ...] = ()
    lease_until: float = 0.0


class AttemptStart(Struct, frozen=True, kw_only=True):
    """Decoding begins. Without a lease the caller is a legacy client."""

    attempt: Whole = 0
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
    """One entry of the pending list, in the given snake_case."""

    id: ImageId
    file_path: str
    width: int
    height: int
    orientation: Orientation


class Thumbnail(Struct, frozen=True, kw_only=True, rename="camel"):
    """The small square picture of an image, which no device shows."""

    file_path: str
    width: int
    height: int


class ProcessedImage(Struct, frozen=True, kw_only=True, rename="camel"):
    """One variant. Lease, recipe, histogram, thumbnail are absent from a legacy client."""

    image_id: ImageId
    device_size: DeviceKey
    width: Side
    height: Side
    file_path: Annotated[str, Meta(min_length=1, max_length=1024)]
    color_palette: Palette
    lease: LeaseToken | None = None
    recipe: RecipeId | None = None


class ImageOutcome(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a task found out about an image as a whole; it completes the image's variants."""

    image_id: ImageId
    lease: LeaseToken
    color_palette: Palette
    histogram: Annotated[Histogram, Meta(max_length=128)] = field(default_factory=dict)
    thumbnail: Thumbnail | None = None
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    processed_at: float = 0.0
    found_focus: Focus | None = None
    stages: StageSeconds | None = None


class ProcessedImages(Struct, frozen=True, kw_only=True):
    """A batch of variants; `outcomes` says of which images this is all."""

    images: Annotated[tuple[ProcessedImage, ...], Meta(max_length=5000)]
    outcomes: Annotated[tuple[ImageOutcome, ...], Meta(max_length=500)] = ()


class RowError(Struct, frozen=True, kw_only=True, rename="camel"):
    """Why one row of a batch was refused."""

    image_id: str
    device_size: str
    error: str


class ProcessedAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many rows were stored, and which were not."""

    inserted: int
    errors: tuple[RowError, ...] = ()


class Failure(Struct, frozen=True, kw_only=True):
    """A photo that cannot be rendered, or with `strike` the death of a suspect's child."""

    error: str
    attempt: Whole | None = 0
    lease: LeaseToken | None = None
    strike: bool = False


class Success(Struct, frozen=True, kw_only=True):
    """The answer to a report that was understood."""

    success: bool = True


MAX_SECONDS = 1e6
"""What is longer was measured by a clock that was set meanwhile."""

Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]


class StageSeconds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Seconds of wall time, in the order of the stages. A task tells all but `report`, which the backend adds.

    `waiting` is for memory and a thread; `fetching` for the original's bytes, as far as nothing else was done
    meanwhile (a photo is decoded while it arrives); `announcing` the attempt; `colours` takes in the search for the
    focus; `pictures` is resizing and encoding; `storing` ends when all pictures lie in the bucket; `report` is from
    there to the rows in the database, with the sidecar, by the clocks of both programs.
    """

    waiting: Seconds = 0.0
    fetching: Seconds = 0.0
    announcing: Seconds = 0.0
    decoding: Seconds = 0.0
    colours: Seconds = 0.0
    pictures: Seconds = 0.0
    storing: Seconds = 0.0
    report: Seconds = 0.0
