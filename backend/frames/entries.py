"""What frames are told of the pictures that they show: addresses, colours, captions; whole, or small.

Nothing here asks the database; making colours takes time, and so is for a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
import sqlalchemy as sa

from backend.colours.pair_palette import palette_of_pair
from backend.colours.schemes import default_variant, frame_roles
from backend.playlist.pairs import Entry
from contract import object_names
from contract.bucket.port import Bucket, name_in
from contract.messages.frames import Caption, CompactEntry, CompactQueue, FrameColours, NextEntry, QueueEntry
from contract.messages.processing import Palette
from contract.split_screen import half_key

REPLY_BYTES = 64_000
"""Replies stay below 64 KB, so that a microcontroller can hold one."""
COMPACT_BYTES = 4_000
"""The compact form stays below 4 KB."""
NAME_DIGITS = 12
"""Of an image's id in the name of an entry; two photos of one library hardly share them."""

Rows = Mapping[tuple[str, str], sa.Row[Any]]
"""Pictures by photo and key, with what is told of the photo."""


def name_of(epoch: int, entry: Entry) -> str:
    """What `after` takes for this entry of this round."""
    return f"{epoch}.{entry[0][:NAME_DIGITS]}"


class EntryMaker:
    """Makes entries; `sign` gives the signature of a picture's path."""

    def __init__(self, bucket: Bucket, sign: Callable[[str], str]) -> None:
        self._bucket = bucket
        self._sign = sign

    def entry(self, key: str, photos: Entry, rows: Rows) -> QueueEntry | None:
        """An entry of the device with this key, without a name; None if no picture of its photos is there any more."""
        halves = [rows.get((photo, half_key(key))) for photo in photos] if len(photos) > 1 else [None]
        first, second = (halves[0], halves[1]) if all(halves) else (None, None)
        if first is None or second is None:  # one photo, or one that is left of a pair
            found = next((row for photo in photos if (row := rows.get((photo, key))) is not None), None)
            return None if found is None else self._told(found, _palette(found), None)
        return self._told(first, _palette_of_both(first, second), second)

    def _told(self, row: sa.Row[Any], palette: Palette, other: sa.Row[Any] | None) -> QueueEntry:
        light, dark = frame_roles(palette.source_color, default_variant(palette))
        return QueueEntry(
            image_id=row.image_id,
            file_path=row.file_path,
            color_palette=palette,
            is_paired=other is not None,
            paired_with=other.image_id if other is not None else None,
            paired_file_path=other.file_path if other is not None else None,
            url=self.address(row.file_path),
            paired_url=self.address(other.file_path) if other is not None else None,
            width=row.width,
            height=row.height,
            colours=FrameColours(source=palette.source_color, light=light, dark=dark),
            caption=_caption(row),
            paired_caption=_caption(other) if other is not None else None,
        )

    def address(self, file_path: str) -> str:
        """Where the picture is served; the address carries its own permission and always means the same bytes."""
        path = "/pictures/" + quote(name_in(self._bucket, file_path).removeprefix(object_names.PROCESSED))
        # Signed is what the server will see: the path with its percent signs decoded once.
        return f"{path}?s={self._sign(unquote(path))}"


def _palette(row: sa.Row[Any]) -> Palette:
    return msgspec.convert(row.color_palette, Palette)


def _palette_of_both(first: sa.Row[Any], second: sa.Row[Any]) -> Palette:
    if not first.histogram and not second.histogram:  # both from a client that reports none
        return _palette(first)
    return palette_of_pair(first.histogram or {}, second.histogram or {})


def _caption(row: sa.Row[Any]) -> Caption:
    taken = None if row.captured_at is None else _moment(row.captured_at).removesuffix("Z")
    return Caption(name=row.filename, uploaded=_moment(row.ingested_at), taken=taken)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def without_captions(entry: QueueEntry) -> QueueEntry:
    """The entry for who has not asked for captions."""
    return msgspec.structs.replace(entry, caption=None, paired_caption=None)


def within(entries: Iterable[QueueEntry], room: int) -> list[QueueEntry]:
    """The first entries that fit into `room` bytes of JSON."""
    found: list[QueueEntry] = []
    for entry in entries:
        room -= len(msgspec.json.encode(entry)) + 1
        if room < 0:
            break
        found.append(entry)
    return found


def compacted(
    entries: Sequence[QueueEntry], size: tuple[int, int], half: tuple[int, int] | None, gap: int, until: float
) -> bytes:
    """The compact form as JSON, cut where it would have more than `COMPACT_BYTES`; sizes in pixels."""
    base = next((_folder(entry.url) for entry in entries if not entry.is_paired), "")
    half_base = next((_folder(entry.url) for entry in entries if entry.is_paired), "")
    told = CompactQueue(base=base, width=size[0], height=size[1], q=(), until=until, after="9" * 24)
    if half is not None and half_base:
        told = msgspec.structs.replace(told, half_base=half_base, half_width=half[0], half_height=half[1], gap=gap)
    room = COMPACT_BYTES - len(msgspec.json.encode(told))
    kept: list[CompactEntry] = []
    after = ""
    for entry in entries:
        small = _compact(entry, half_base if entry.is_paired else base)
        room -= len(msgspec.json.encode(small)) + 1
        if room < 0:
            break
        kept.append(small)
        after = entry.entry
    return msgspec.json.encode(msgspec.structs.replace(told, q=tuple(kept), after=after))


def _folder(url: str) -> str:
    return url.rpartition("/")[0] + "/"


def _compact(entry: QueueEntry, base: str) -> CompactEntry:
    assert entry.colours is not None
    light, dark = entry.colours.light, entry.colours.dark
    colours = (entry.colours.source, light["primary"], light["surface"], dark["primary"], dark["surface"])
    return CompactEntry(
        u=entry.url.removeprefix(base),
        v=(entry.paired_url or "").removeprefix(base),
        c="".join(colour[1:] for colour in colours),
    )


_NO_NAME = "?"  # no entry is called so
# Nobody's text can look like this, since quotes inside of JSON strings are escaped.
_BEFORE, _BEHIND = b'"entry":"', b'"'


class Body(NamedTuple):
    """An answer and its ETag."""

    data: bytes
    etag: str


class NamelessAnswer(NamedTuple):
    """An answer in two parts, between which the entry's name goes, and the hash of both."""

    head: bytes
    tail: bytes
    hashed: str

    def named(self, name: str) -> Body:
        """The answer for the entry of this name, which `frame_entries.name_of` has made."""
        return Body(self.head + name.encode() + self.tail, f'"{self.hashed}.{name}"')


def nameless_answer(entry: QueueEntry, *, until: float, gap: int, captions: bool) -> NamelessAnswer:
    """What `next` answers with this entry; `until` in seconds since the epoch, `gap` in pixels."""
    shown = entry if captions else without_captions(entry)
    told = NextEntry(**{**msgspec.structs.asdict(shown), "entry": _NO_NAME}, until=until, gap=gap)
    data = msgspec.json.encode(told)
    head, hole, tail = data.partition(_BEFORE + _NO_NAME.encode() + _BEHIND)
    assert hole
    return NamelessAnswer(head + _BEFORE, _BEHIND + tail, hashlib.blake2b(data, digest_size=12).hexdigest())


def etag_of(data: bytes) -> str:
    """A strong ETag (RFC 9110, section 8.8.3) of an answer."""
    return f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
