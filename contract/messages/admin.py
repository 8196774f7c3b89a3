"""Messages of the admin API: uploads, listings, status.

Separate from `processing`, because tasks never read these.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from contract.messages.processing import Focus, Histogram, ImageId, ImageState, Orientation, Palette, Turn


class Login(Struct, frozen=True, kw_only=True):
    """Body of a login request."""

    password: Annotated[str, Meta(max_length=1024)]


class UploadedImage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Response to an upload of one file."""

    id: ImageId
    filename: str
    width: int
    height: int
    orientation: Orientation
    processing_status: ImageState
    duplicate: bool = False


class UploadResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Result for one file of several; `status` is the HTTP status that an upload of this file alone would have."""

    filename: str
    status: int
    id: ImageId | None = None
    duplicate: bool = False
    error: str | None = None


class UploadResults(Struct, frozen=True, kw_only=True):
    """Response to an upload of several files, in their order."""

    results: tuple[UploadResult, ...]


class VariantInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """A current variant of a photo; `processed_at` in seconds since the epoch."""

    device_size: str
    width: int
    height: int
    file_path: str
    recipe: str | None = None
    processed_at: float = 0.0


class ImageInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """A photo. `variants` is empty in listings.

    `suspect` marks a photo whose last attempt ended without a report: it is quarantined and rendered in a sandbox.
    `strikes` is its number of crashes there.
    """

    id: ImageId
    filename: str
    file_path: str
    width: int
    height: int
    orientation: Orientation
    processing_status: ImageState
    ingested_at: float
    processing_error: str | None = None
    color_palette: Palette | None = None
    thumbnail_path: str | None = None
    attempts: int = 0
    strikes: int = 0
    suspect: bool = False
    variants: tuple[VariantInfo, ...] = ()
    histogram: Histogram = field(default_factory=dict)
    focus: Focus | None = None
    found_focus: Focus | None = None
    turn: Turn = 0


class FocusBody(Struct, frozen=True, kw_only=True):
    """The point that a photo's variants are cropped around, as fractions of its upright width and height."""

    x: Annotated[float, Meta(ge=0, le=1)]
    y: Annotated[float, Meta(ge=0, le=1)]


class TurnBody(Struct, frozen=True, kw_only=True):
    """The quarter turns clockwise that a photo gets after its EXIF orientation; 0 shows it as its file says."""

    turn: Turn


class TurnRequest(Struct, frozen=True, kw_only=True):
    """Photos to turn, each by this number of quarter turns clockwise from where it is."""

    ids: Annotated[tuple[ImageId, ...], Meta(min_length=1, max_length=1000)]
    quarters: Annotated[int, Meta(ge=1, le=3)] = 1


class TurnAnswer(Struct, frozen=True, kw_only=True):
    """Number of photos that were turned; unknown ids are left out."""

    turned: int


class SessionsEnded(Struct, frozen=True, kw_only=True):
    """Response to *log out everywhere*: the number of logins that ended, including the one that sent the request."""

    ended: int


class ImageList(Struct, frozen=True, kw_only=True):
    """A page of photos, oldest first; pass `next` as `after` of the following request."""

    images: tuple[ImageInfo, ...]
    next: str | None = None


ExecutionState = Literal["starting", "running", "succeeded", "failed", "lost"]


class ExecutionInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """One execution of the job. CPU time and memory are set for finished local tasks only.

    `cloud_execution` is its name in Cloud Run: projects/.../locations/.../jobs/.../executions/NAME.
    """

    name: str
    state: ExecutionState
    tasks: int
    images: int
    started_at: float
    finished_at: float | None = None
    retries: int = 0
    cpu_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    error: str | None = None
    cloud_execution: str | None = None


class WorkRate(Struct, frozen=True, kw_only=True, rename="camel"):
    """Measured speed of one task in seconds per megapixel, over `photos` photos of this mean size.

    With `photos` 0 nothing has been measured yet, and the figures are default assumptions.
    """

    seconds_per_megapixel: float
    megapixels_per_photo: float
    photos: int = 0


class Status(Struct, frozen=True, kw_only=True, rename="camel"):
    """State of the system. `images` counts by state; `rendered_since` counts variants newer than the requested time."""

    images: dict[ImageState, int]
    variants: int
    rendered_since: int
    devices: int
    executions: tuple[ExecutionInfo, ...]
    device_auth: Literal["required", "open"] = "required"
    bucket: str = ""
    last_error: str | None = None
    work_rate: WorkRate | None = None


class FlushAnswer(Struct, frozen=True, kw_only=True):
    """The execution that was started, or None; `reason` explains either."""

    execution: str | None
    reason: str


class SyncReport(Struct, frozen=True, kw_only=True):
    """One run of the metadata sync: numbers of sidecars found, imported, archived, and left in place."""

    found: int = 0
    imported: int = 0
    archived: int = 0
    left: int = 0


class RetryRequest(Struct, frozen=True, kw_only=True):
    """Images to put back into the queue: all that failed, all that are stuck, or those in `ids`."""

    which: Literal["failed", "stuck", "named"] = "failed"
    ids: Annotated[tuple[ImageId, ...], Meta(max_length=1000)] = ()


class RetryAnswer(Struct, frozen=True, kw_only=True):
    """Number of images that were put back into the queue."""

    retried: int


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of an error response, `application/problem+json`; `error` repeats `detail` for existing clients."""

    type: str
    title: str
    status: int
    detail: str
    error: str
