"""What `next` answers, as bytes with their ETag; of an entry that comes again in each round only its name is new."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from backend.frame_entries import without_captions
from contract.messages.frames import NextEntry, QueueEntry

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
