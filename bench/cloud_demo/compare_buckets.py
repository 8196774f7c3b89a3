"""Comparison of two buckets after runs over the same photos.

Originals, variants and thumbnails are compared byte by byte, as are the palettes and histograms in the records.
Sidecars are compared without the fields that differ between runs: time, owner, seconds, and the bucket's address.
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


class Comparison(Struct, kw_only=True):
    """The number of equal objects by kind (`same`), and a sentence for each difference."""

    same: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, kind: str, sentence: str = "") -> None:
        """Count an equal object, or add the sentence about a difference."""
        if sentence:
            self.differences.append(sentence)
        else:
            self.same[kind] += 1


def compare_buckets(first: Bucket, second: Bucket) -> Comparison:
    """Compare all objects of two buckets."""
    result = Comparison()
    for kind, prefix in PICTURES.items():
        for name in _in_both(first, second, prefix, result):
            equal = first.read(name) == second.read(name)
            result.add(kind, "" if equal else f"{name}: the bytes differ")
    for name in _in_both(first, second, object_names.RECORDS, result):
        ours, theirs = (msgspec.json.decode(bucket.read(name), type=ImageRecord) for bucket in (first, second))
        for kind, left, right in (
            ("palettes", ours.palette, theirs.palette),
            ("histograms", ours.histogram, theirs.histogram),
        ):
            if not left and not right:  # a failed photo has none
                continue
            equal = msgspec.json.encode(left) == msgspec.json.encode(right)
            result.add(kind, "" if equal else f"{name}: the {kind} differ: {left}, {right}")
    for name in _in_both(first, second, object_names.METADATA, result):
        fields = different_fields(*(_comparable(bucket, name) for bucket in (first, second)))
        result.add("sidecars", f"{name}: different {', '.join(fields)}" if fields else "")
    return result


def _in_both(first: Bucket, second: Bucket, prefix: str, result: Comparison) -> Iterator[str]:
    """Yield the names below `prefix` that both buckets have. Each other name is a difference."""
    names = [{entry.name for entry in bucket.list(prefix, recursive=True)} for bucket in (first, second)]
    for bucket, own, other in ((first, names[0], names[1]), (second, names[1], names[0])):
        for name in sorted(own - other):
            result.add("", f"{name}: exists only in {bucket.url}")
    yield from sorted(names[0] & names[1])


def _comparable(bucket: Bucket, name: str) -> Sidecar:
    """Return the sidecar without fields that differ between runs, and with object names instead of addresses."""
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
    """Return the JSON names of the fields whose JSON differs."""
    return [
        each.encode_name
        for each in msgspec.structs.fields(Sidecar)
        if msgspec.json.encode(getattr(first, each.name)) != msgspec.json.encode(getattr(second, each.name))
    ]
