"""What frames read: the pictures that they show, and in which order."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from contract.messages.processing import Colour, ImageId, Orientation, Palette

Interval = Annotated[int, Meta(ge=0, le=31 * 86_400, description="seconds that each picture stays; 0: a call moves on")]
Gap = Annotated[int, Meta(ge=0, le=1024, description="pixels between two photos that share the screen")]


class FrameFilters(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Which photos a device shows: those that pass all of these. One that is empty, or 0, lets everything pass.

    `orientations` as they are upright; `newest_days`: uploaded within so many days; `name`: text in the file's
    name, in upper or lower case; `colour`: a photo one of whose colours is within `colour_distance` of it (CIE
    Lab, 1976).
    """

    orientations: Annotated[tuple[Orientation, ...], Meta(max_length=3)] = ()
    newest_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    name: Annotated[str, Meta(max_length=200)] = ""
    colour: Colour | None = None
    colour_distance: Annotated[float, Meta(gt=0, le=300)] = 25.0


class Caption(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be written under a photo; times in ISO 8601, `taken` by the camera's own clock, without a zone."""

    name: str
    uploaded: str
    taken: str | None = None


class FrameColours(Struct, frozen=True, kw_only=True):
    """Colours that go with an entry: the source, and of its Material schemes each role's colour by its name."""

    source: Colour
    light: dict[str, Colour]
    dark: dict[str, Colour]


class QueueEntry(Struct, frozen=True, kw_only=True, rename="camel"):
    """One entry of a frame's queue; `url` serves the JPEG, `width` x `height` pixels.

    Of a pair (`is_paired`) this is the left or upper half, and the paired fields tell of the other one, which has
    the same size; the colours are of both. `entry` goes into `after` of a following call.
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
    """The entry to be shown; `until` is when the next one follows, in seconds since the epoch, 0 for no interval.

    Between the two photos of a pair are `gap` pixels.
    """

    until: float = 0.0
    gap: int = 0


class Slideshow(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a frame shows, in order, from the entry at `current_index`; the time in ISO 8601.

    `until` and `gap` as in `NextEntry`; `showing` is the photo on the screen now, as far as the server knows.
    """

    device_id: str
    queue: tuple[QueueEntry, ...]
    current_index: int
    generated_at: str
    until: float = 0.0
    gap: int = 0
    showing: ImageId | None = None


class CompactEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry for small memories.

    `u`: the picture's address behind `base`, or whole where it begins with a slash; `v`: the other one of a pair,
    both then behind `halfBase`. `c`: five colours without `#`, one behind the other: the source; primary and surface
    of the light scheme; primary and surface of the dark scheme.
    """

    u: str
    c: str
    v: str = ""


class CompactQueue(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The queue for small memories; sizes in pixels, half sizes those of each photo of a pair.

    `after` of a following call asks for what comes behind the last entry here.
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
    """Two Material 3 schemes from one source colour: each role's colour by its name, such as `onPrimary`.

    `color_palette` is there for two photos together: the palette of both, whose source colour this is.
    """

    source_color: Colour
    variant: SchemeVariant
    contrast: SchemeContrast
    light: dict[str, Colour]
    dark: dict[str, Colour]
    color_palette: Palette | None = None
