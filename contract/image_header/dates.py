"""Read when a photo was taken from its EXIF data (EXIF 2.32, CIPA DC-008), and accept the wrong forms of real files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from contract.image_header.directories import (
    EMPTY,
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    Directory,
    DirectoryReader,
)

FIRST_YEAR, LAST_YEAR = 1826, 2200
"""Years that count: the first photograph is of 1826, and cameras without a set clock write years far away."""

_DATE_TIME, _ORIGINAL, _DIGITIZED = 0x0132, 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
_GPS_TIME, _GPS_DATE = 0x0007, 0x001D

_MOMENT = re.compile(
    r"""\s* (\d{4}) [:\-/. ] \s? (\d{1,2}) [:\-/. ] \s? (\d{1,2})
        (?: [ T]* (\d{1,2}) [:.] \s? (\d{1,2}) (?: [:.] \s? (\d{1,2}) (?: [.,]\d+ )? )? )?
        \s* (?: Z | [+-]\d{1,2}:?\d{2} )? \s* $""",
    re.VERBOSE,
)
_CTIME = re.compile(r"\s*[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4})\s*$")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONE = re.compile(r"\s*([+-])(\d{1,2}):?(\d{2})\s*$")


def parse_moment(text: str) -> datetime | None:
    """Return the time by the camera's clock in a text, in UTC, or None if it is no time.

    EXIF demands `YYYY:MM:DD HH:MM:SS`. Accepted as well are other separators, one digit, a T, no seconds, no time of
    day, fractions, the hour 24, and the form of C's `ctime`. An offset at the end does not move the clock.
    Zeros and spaces are no time.
    """
    found = _MOMENT.match(text)
    if found is not None:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    elif (found := _CTIME.match(text)) is not None and found[1] in _MONTHS:
        month, year = _MONTHS.index(found[1]) + 1, int(found[6])
        day, hour, minute, second = (int(found[index]) for index in (2, 3, 4, 5))
    else:
        return None
    if not FIRST_YEAR <= year <= LAST_YEAR or hour > 24 or minute > 59 or second > 60:
        return None
    try:
        return datetime(year, month, day, tzinfo=UTC) + timedelta(hours=hour, minutes=minute, seconds=second)
    except ValueError:
        return None


def moment_text(taken: float) -> bytes:
    """Return the 20 bytes of a time as EXIF demands them."""
    return datetime.fromtimestamp(taken, UTC).strftime("%Y:%m:%d %H:%M:%S").encode() + b"\0"


def parse_offset(text: str) -> timedelta | None:
    """Return the offset in a text such as `+02:00`, `-0530` or `Z`; None for any other text."""
    if text.strip() == "Z":
        return timedelta()
    found = _ZONE.match(text)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -offset if found[1] == "-" else offset


def date_taken(exif: bytes) -> float | None:
    """Return when the photo with these EXIF data was taken.

    Args:
        exif: The data from their TIFF header on, with or without `Exif` and two zeros before it. A TIFF file is one.

    Returns:
        Seconds since the Unix epoch, as if the camera's clock showed UTC, or None without a valid date.
    """
    start = 6 if exif[:6] == b"Exif\0\0" else 0
    try:
        reader = DirectoryReader(exif, start)
    except ValueError:
        return None
    main = reader.directory(reader.first) if reader.first else EMPTY
    return date_in(
        (reader, main), (reader, reader.below(main, EXIF_DIRECTORY)), (reader, reader.below(main, GPS_DIRECTORY))
    )


Part = tuple[DirectoryReader, Directory]


def date_in(main: Part, exif: Part, gps: Part) -> float | None:
    """Return the date taken from the three directories of a file, as `date_taken` does.

    The order is DateTimeOriginal, DateTimeDigitized, DateTime, GPS. The first valid one counts.
    A GPS time is in UTC. It becomes the time of the camera's clock where the file names that clock's offset.
    """
    reader, directory = exif
    candidates = (
        reader.text(directory, _ORIGINAL),
        reader.text(directory, _DIGITIZED),
        main[0].text(main[1], _DATE_TIME),
    )
    for text in candidates:
        if (moment := parse_moment(text)) is not None:
            return moment.timestamp()
    clock = _gps_clock(*gps)
    if clock is None:
        return None
    offsets = (parse_offset(reader.text(directory, tag)) for tag in (_OFFSET_ORIGINAL, _OFFSET_DIGITIZED, _OFFSET))
    return (clock + next((offset for offset in offsets if offset is not None), timedelta())).timestamp()


def _gps_clock(reader: DirectoryReader, gps: Directory) -> datetime | None:
    """Return the UTC time of the satellites: a date, and hour, minute and second as fractions."""
    date = parse_moment(reader.text(gps, _GPS_DATE))
    if date is None:
        return None
    time = reader.fractions(gps, _GPS_TIME)
    if len(time) != 3 or not (time[0] < 24 and time[1] < 60 and time[2] <= 60):
        return date
    return date.replace(hour=0, minute=0, second=0) + timedelta(hours=time[0], minutes=time[1], seconds=int(time[2]))
