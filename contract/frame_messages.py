"""What frames read: the pictures that they show, and in which order."""

from __future__ import annotations

from msgspec import Struct

from contract.messages import ImageId, Palette


class QueueEntry(Struct, frozen=True, kw_only=True, rename="camel"):
    """One picture of a frame's queue. `url` serves the JPEG; the paired fields await pairs."""

    image_id: ImageId
    file_path: str
    color_palette: Palette
    is_paired: bool = False
    paired_with: str | None = None
    paired_file_path: str | None = None
    url: str = ""
    width: int = 0
    height: int = 0


class Slideshow(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a frame shows, in order, from the picture at `current_index`; the time in ISO 8601."""

    device_id: str
    queue: tuple[QueueEntry, ...]
    current_index: int
    generated_at: str
