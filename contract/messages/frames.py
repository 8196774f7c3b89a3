"""Messages that frames read: the entries to show, and their order."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from contract.messages.processing import Colour, ImageId, Orientation, Palette

Interval = Annotated[int, Meta(ge=0, le=31 * 86_400, description="seconds per picture; 0: each call moves on")]
Gap = Annotated[int, Meta(ge=0, le=1024, description="pixels between two photos that share the screen")]


class FrameFilters(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Filters of the photos that a device shows; a photo must pass all of them. An empty value or 0 is no filter.

    `orientations` are those of the upright photos.
    `newest_days` is the maximum number of days since the upload.
    `taken_days` is the maximum number of days since the photo was taken; of a photo without a date, since its upload.
    `name` is text in the file's name, compared without case.
    `colour` selects photos with a colour of their palette within `colour_distance` (CIE Lab, 1976).
    """

    orientations: Annotated[tuple[Orientation, ...], Meta(max_length=3)] = ()
    newest_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    taken_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    name: Annotated[str, Meta(max_length=200)] = ""
    colour: Colour | None = None
    colour_distance: Annotated[float, Meta(gt=0, le=300)] = 25.0


class Caption(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Caption of a photo; times in ISO 8601. `taken` comes from the camera's clock and has no time zone."""

    name: str
    uploaded: str
    taken: str | None = None


class FrameColours(Struct, frozen=True, kw_only=True):
    """Colours that match an entry: the source colour, and its light and dark Material schemes by role name."""

    source: Colour
    light: dict[str, Colour]
    dark: dict[str, Colour]


class QueueEntry(Struct, frozen=True, kw_only=True, rename="camel"):
    """One entry of a frame's queue; `url` serves the JPEG of `width` x `height` pixels.

    In a pair (`is_paired`) this photo is on the left or above.
    The paired fields describe the second photo, which has the same size. The colours are computed from both photos.
    Pass `entry` as `after` of a following request.
    """

    image_id: ImageId
    file_path: str
    color_palette: Palette
    is_paired: bool = False
    paired_with: str | None = None
    paired_file_path: str | None = None
    url: str = ""
    width: int = 0
    height: int = 0
    paired_url: str | None = None
    entry: str = ""
    colours: FrameColours | None = None
    caption: Caption | None = None
    paired_caption: Caption | None = None


class NextEntry(QueueEntry, frozen=True, kw_only=True, rename="camel"):
    """The entry to show until `until`, in seconds since the epoch; 0 if the device has no interval.

    `gap` is the number of pixels between the two photos of a pair.
    """

    until: float = 0.0
    gap: int = 0


class Slideshow(Struct, frozen=True, kw_only=True, rename="camel"):
    """The queue of a frame, in order, with the current entry at `current_index`; `generated_at` in ISO 8601.

    `until` and `gap` as in `NextEntry`; `showing` is the photo that was last delivered to the frame.
    """

    device_id: str
    queue: tuple[QueueEntry, ...]
    current_index: int
    generated_at: str
    until: float = 0.0
    gap: int = 0
    showing: ImageId | None = None


class CompactEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queue entry for clients with little memory.

    `u` is the picture's URL relative to `base`; one that begins with a slash is complete.
    `v` is the second picture of a pair; both are then relative to `halfBase`.
    `c` is five colours without `#`, concatenated: the source colour, primary and surface of the light scheme,
    primary and surface of the dark scheme.
    """

    u: str
    c: str
    v: str = ""


class CompactQueue(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The queue for clients with little memory. Sizes are in pixels. The half sizes apply to each photo of a pair.

    Pass `after` with the following request to receive the entries that follow the last entry of this response.
    """

    base: str
    width: int
    height: int
    q: tuple[CompactEntry, ...]
    half_base: str = ""
    half_width: int = 0
    half_height: int = 0
    gap: int = 0
    until: float = 0.0
    after: str = ""


SchemeVariant = Literal["tonal_spot", "vibrant", "neutral", "fidelity"]
SchemeContrast = Annotated[float, Meta(ge=-1, le=1)]


class ColourSchemes(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Two Material 3 schemes of one source colour, with colours by role name such as `onPrimary`.

    `color_palette` is set for two photos together: the common palette that the source colour comes from.
    """

    source_color: Colour
    variant: SchemeVariant
    contrast: SchemeContrast
    light: dict[str, Colour]
    dark: dict[str, Colour]
    color_palette: Palette | None = None
