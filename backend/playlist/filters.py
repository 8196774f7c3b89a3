"""The filters that decide which photos a device shows. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from contract.colour.histogram import lab_of
from contract.messages.frames import FrameFilters
from contract.messages.processing import Orientation

DAY_SECONDS = 86_400.0


class PhotoFacts(Struct, frozen=True):
    """The fields of a photo that filters use.

    `ingested_at` is the upload time in seconds since the epoch; `captured_at` the time by the camera's clock, or None.
    """

    orientation: Orientation
    filename: str
    ingested_at: float
    colours: Sequence[str] = ()
    captured_at: float | None = None


def matches(photo: PhotoFacts, filters: FrameFilters, now: float) -> bool:
    """Return True if the photo passes all filters."""
    if filters.orientations and photo.orientation not in filters.orientations:
        return False
    if filters.newest_days and photo.ingested_at < now - filters.newest_days * DAY_SECONDS:
        return False
    if filters.taken_days:
        taken = photo.ingested_at if photo.captured_at is None else photo.captured_at
        if taken < now - filters.taken_days * DAY_SECONDS:
            return False
    if filters.name and filters.name.casefold() not in photo.filename.casefold():
        return False
    if filters.colour is None:
        return True
    wanted = lab_of(filters.colour)
    return any(math.dist(wanted, lab_of(colour)) <= filters.colour_distance for colour in photo.colours)


def changes_with_time(filters: FrameFilters) -> bool:
    """Return True if photos can drop out although nothing in the database changes."""
    return bool(filters.newest_days or filters.taken_days)
