"""The entries that frames receive: addresses, colours and captions, in a full and in a compact form.

Nothing here uses the database. Computing colours takes time, so callers build entries in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
import sqlalchemy as sa

from backend.auth.access import device_of_path, signed_text
from backend.colours.pair_palette import palette_of_pair
from backend.colours.schemes import default_variant, frame_roles
from backend.database.rows import palette_of
from backend.playlist.pairs import Entry
from contract import object_names
from contract.bucket.port import Bucket, name_in
from contract.messages.frames import Caption, CompactEntry, CompactQueue, FrameColours, NextEntry, QueueEntry
from contract.messages.processing import Palette
from contract.split_screen import HALF, split_key

REPLY_BYTES = 64_000
"""Responses stay below 64 KB, so that a microcontroller can store one in memory."""
COMPACT_BYTES = 4_000
"""The compact form stays below 4 KB."""
NAME_DIGITS = 12
"""Digits of an image's id in an entry's name. Two photos of one library are very unlikely to share them."""

Rows = Mapping[tuple[str, str], sa.Row[Any]]
"""Rows of `shuffle_queues.variants`, by (photo, device key)."""


def entry_name(cycle: int, entry: Entry) -> str:
    """Return the name by which `after` refers to this entry of this cycle."""
    return f"{cycle}.{entry[0][:NAME_DIGITS]}"


class EntryBuilder:
    """Builds entries; `sign` returns the signature of a `signed_text`."""

    def __init__(self, bucket: Bucket, sign: Callable[[str], str]) -> None:
        self._bucket = bucket
        self._sign = sign

    def entry(self, key: str, photos: Entry, rows: Rows, name: str) -> QueueEntry | None:
        """Build the entry of these photos for a device key (`entry_name`); None if no variant of them exists."""
        pair = [rows.get((photo, split_key(key))) for photo in photos] if len(photos) > 1 else [None]
        first, second = (pair[0], pair[1]) if all(pair) else (None, None)
        if first is not None and second is not None and (both := _palette_of_both(first, second)) is not None:
            return self._entry(name, first, both, second)
        # A single photo, or a pair of which one variant was deleted.
        singles = [row for photo in photos if (row := rows.get((photo, key))) is not None]
        return next((self._entry(name, row, palette, None) for row in singles if (palette := _palette(row))), None)

    def _entry(self, name: str, row: sa.Row[Any], palette: Palette, partner: sa.Row[Any] | None) -> QueueEntry:
        light, dark = frame_roles(palette.source_color, default_variant(palette))
        return QueueEntry(
            entry=name,
            image_id=row.image_id,
            file_path=row.file_path,
            color_palette=palette,
            is_paired=partner is not None,
            paired_with=partner.image_id if partner is not None else None,
            paired_file_path=partner.file_path if partner is not None else None,
            url=self.address(row),
            paired_url=self.address(partner) if partner is not None else None,
            width=row.width,
            height=row.height,
            colours=FrameColours(source=palette.source_color, light=light, dark=dark),
            caption=_caption(row),
            paired_caption=_caption(partner) if partner is not None else None,
        )

    def address(self, row: sa.Row[Any]) -> str:
        """Return the address of a picture. It contains its own permission and always refers to the same bytes."""
        path = "/pictures/" + quote(name_in(self._bucket, row.file_path).removeprefix(object_names.PROCESSED))
        # The server receives the path with its percent signs decoded once, so this form is signed.
        decoded = unquote(path)
        # A legacy picture may lie in a folder that is not its device's.
        own = device_of_path(decoded) == row.device_size.removesuffix(HALF)
        return f"{path}?s={self._sign(signed_text(decoded, row.picture_salt or '' if own else ''))}"


def _palette(row: sa.Row[Any]) -> Palette | None:
    return palette_of(row.color_palette)


def _palette_of_both(first: sa.Row[Any], second: sa.Row[Any]) -> Palette | None:
    if not first.histogram and not second.histogram:  # both rendered by a legacy client, which reports none
        return _palette(first)
    return palette_of_pair(first.histogram or {}, second.histogram or {})


def _caption(row: sa.Row[Any]) -> Caption:
    taken = None if row.captured_at is None else _moment(row.captured_at).removesuffix("Z")
    return Caption(name=row.filename, uploaded=_moment(row.ingested_at), taken=taken)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def without_captions(entry: QueueEntry) -> QueueEntry:
    """Return the entry for clients that have not requested captions."""
    return msgspec.structs.replace(entry, caption=None, paired_caption=None)


def fit_entries(entries: Iterable[QueueEntry], max_bytes: int) -> list[QueueEntry]:
    """Return the first entries that fit into `max_bytes` of JSON."""
    fitting: list[QueueEntry] = []
    for entry in entries:
        max_bytes -= len(msgspec.json.encode(entry)) + 1
        if max_bytes < 0:
            break
        fitting.append(entry)
    return fitting


def compact_queue(
    entries: Sequence[QueueEntry], size: tuple[int, int], half: tuple[int, int] | None, gap: int, until: float
) -> bytes:
    """Return the compact form as JSON, without the entries beyond `COMPACT_BYTES`; sizes in pixels."""
    base = next((_folder(entry.url) for entry in entries if not entry.is_paired), "")
    half_base = next((_folder(entry.url) for entry in entries if entry.is_paired), "")
    # The length of the response is measured with the longest possible `after`.
    response = CompactQueue(base=base, width=size[0], height=size[1], q=(), until=until, after="9" * 24)
    if half is not None and half_base:
        response = msgspec.structs.replace(
            response, half_base=half_base, half_width=half[0], half_height=half[1], gap=gap
        )
    bytes_left = COMPACT_BYTES - len(msgspec.json.encode(response))
    fitting: list[CompactEntry] = []
    after = ""
    for entry in entries:
        compact = _compact(entry, half_base if entry.is_paired else base)
        bytes_left -= len(msgspec.json.encode(compact)) + 1
        if bytes_left < 0:
            break
        fitting.append(compact)
        after = entry.entry
    return msgspec.json.encode(msgspec.structs.replace(response, q=tuple(fitting), after=after))


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


class Body(NamedTuple):
    """A response body and its ETag."""

    data: bytes
    etag: str


def next_entry(entry: QueueEntry, *, until: float, gap: int, captions: bool) -> Body:
    """Return the response of `next` with this entry; `until` in seconds since the epoch, `gap` in pixels."""
    shown = entry if captions else without_captions(entry)
    data = msgspec.json.encode(NextEntry(**msgspec.structs.asdict(shown), until=until, gap=gap))
    return Body(data, etag_of(data))


def etag_of(data: bytes) -> str:
    """Return a strong ETag (RFC 9110, section 8.8.3) of a response."""
    return f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
