"""Whether two buckets hold the same after the same photos, each made in its own way.

Originals, variants and thumbnails: byte for byte. Palettes and histograms, as the photos' records tell them: byte
for byte. Sidecars: but for what names the run itself, which is time, owner, seconds and the bucket's own address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from contract import object_names
from contract.bucket.port import Bucket, name_in
from contract.messages.records import ImageRecord
from contract.messages.sidecars import Sidecar

PICTURES = {
    "originals": object_names.ORIGINALS,
    "variants": object_names.PROCESSED,
    "thumbnails": object_names.THUMBNAILS,
}


class Likeness(Struct, kw_only=True):
    """`same`: how many of each kind are alike. `differences`: a sentence for each that is not."""

    same: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def note(self, kind: str, sentence: str = "") -> None:
        """Count one of this kind, or say what is different about it."""
        if sentence:
            self.differences.append(sentence)
        else:
            self.same[kind] += 1


def likeness(first: Bucket, second: Bucket) -> Likeness:
    """Compare all of two buckets; differences call them by their URLs."""
    found = Likeness()
    for kind, prefix in PICTURES.items():
        for name in _in_both(first, second, prefix, found):
            equal = first.read(name) == second.read(name)
            found.note(kind, "" if equal else f"{name}: its bytes are not the same")
    for name in _in_both(first, second, object_names.RECORDS, found):
        ours, theirs = (msgspec.json.decode(bucket.read(name), type=ImageRecord) for bucket in (first, second))
        for kind, one, other in (
            ("palettes", ours.palette, theirs.palette),
            ("histograms", ours.histogram, theirs.histogram),
        ):
            if not one and not other:  # a photo that has failed has none
                continue
            equal = msgspec.json.encode(one) == msgspec.json.encode(other)
            found.note(kind, "" if equal else f"{name}: {kind} are not the same: {one}, {other}")
    for name in _in_both(first, second, object_names.METADATA, found):
        fields = different_fields(*(_comparable(bucket, name) for bucket in (first, second)))
        found.note("sidecars", f"{name}: other {', '.join(fields)}" if fields else "")
    return found


def _in_both(first: Bucket, second: Bucket, prefix: str, found: Likeness) -> Iterator[str]:
    """The names below `prefix` that both have; a difference is noted for each that one alone has."""
    names = [{entry.name for entry in bucket.list(prefix, recursive=True)} for bucket in (first, second)]
    for bucket, own, other in ((first, names[0], names[1]), (second, names[1], names[0])):
        for name in sorted(own - other):
            found.note("", f"{name}: lies in {bucket.url} alone")
    yield from sorted(names[0] & names[1])


def _comparable(bucket: Bucket, name: str) -> Sidecar:
    """The sidecar without what may differ from run to run; its addresses as object names."""
    sidecar = msgspec.json.decode(bucket.read(name), type=Sidecar)
    thumbnail = sidecar.thumbnail
    return msgspec.structs.replace(
        sidecar,
        processed_at="",
        owner="",
        seconds=0.0,
        stages=None,
        results=tuple(
            msgspec.structs.replace(result, file_path=name_in(bucket, result.file_path)) for result in sidecar.results
        ),
        thumbnail=thumbnail and msgspec.structs.replace(thumbnail, file_path=name_in(bucket, thumbnail.file_path)),
    )


def different_fields(first: Sidecar, second: Sidecar) -> list[str]:
    """The names, as the sidecar's JSON spells them, of fields whose JSON is not the same to the byte."""
    return [
        spelt.encode_name
        for spelt in msgspec.structs.fields(Sidecar)
        if msgspec.json.encode(getattr(first, spelt.name)) != msgspec.json.encode(getattr(second, spelt.name))
    ]
