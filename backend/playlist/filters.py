"""Which photos a device shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from contract.colour.histogram import lab_of
from contract.messages.frames import FrameFilters
from contract.messages.processing import Orientation

DAY_SECONDS = 86_400.0
HOUR_SECONDS = 3600.0


class PhotoFacts(Struct, frozen=True):
    """What filters look at: orientation, file name, when it was uploaded (seconds since the epoch), its colours."""

    orientation: Orientation
    filename: str
    ingested_at: float
    colours: Sequence[str] = ()


def passes(photo: PhotoFacts, filters: FrameFilters, now: float) -> bool:
    """Whether the device shows this photo."""
    if filters.orientations and photo.orientation not in filters.orientations:
        return False
    if filters.newest_days and photo.ingested_at < now - filters.newest_days * DAY_SECONDS:
        return False
    if filters.name and filters.name.casefold() not in photo.filename.casefold():
        return False
    if filters.colour is None:
        return True
    wanted = lab_of(filters.colour)
    return any(math.dist(wanted, lab_of(colour)) <= filters.colour_distance for colour in photo.colours)


def hour_of(filters: FrameFilters | None, now: float) -> int:
    """What has to be asked again when it changes: by a filter of time, photos go without any other change."""
    return int(now // HOUR_SECONDS) if filters is not None and filters.newest_days else 0
