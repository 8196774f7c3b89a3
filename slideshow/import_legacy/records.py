"""Makes permanent records of the model system's rows, and writes those that the bucket does not have yet.

Every original is read once: its bytes say what its id is here and how it is upright. The model system took no notice
of EXIF orientation, so the pictures that it made of a turned photo are left to be made anew; all others are shown as
they are. Nothing of the model system's is changed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, BucketError, ObjectChanged, ObjectNotFound, name_in
from contract.messages.processing import Palette
from contract.messages.records import ImageRecord, RecordedResult
from slideshow.import_legacy.devices import JSON, ImportReport, LeftOut, take_devices
from slideshow.import_legacy.reader import Model, Row, colours, moment

if TYPE_CHECKING:
    from backend.images.header import UploadHeader

LEGACY = "legacy"
ORIGINAL_LIMIT_BYTES = 256 * 1024 * 1024
MAX_PIXELS = 1_000_000_000
"""The processor has its own limit, and says which photo is beyond it."""
CONCURRENCY = 8
"""Originals in memory at a time."""
_ORIENTATION, _UPRIGHT = 0x0112, 1
"""The EXIF tag, and its value for a photo that was not turned (EXIF 2.32, 4.6.4 A)."""


class _Taken(Struct, frozen=True):
    """What became of one photo: its pictures, None if it was known; and whether its original was copied."""

    pictures: int | None
    copied: bool = False


def write_records(
    bucket: Bucket, model: Model, now: float, tell: Callable[[str], None], *, dry_run: bool = False
) -> ImportReport:
    """Write what is missing. Raises BucketError if the bucket fails, UnreadableRecord for a damaged one of devices."""
    report = ImportReport()
    keys = take_devices(bucket, model.devices, now, report, dry_run=dry_run)
    take = partial(_take_image, bucket, model, keys, now, dry_run)
    with ThreadPoolExecutor(CONCURRENCY, "import") as threads:
        for number, taken in enumerate(threads.map(take, model.images), 1):
            if isinstance(taken, str):
                report.left_out.append(taken)
            elif taken.pictures is None:
                report.known += 1
            else:
                report.images += 1
                report.pictures += taken.pictures
                report.copied += taken.copied
            tell(f"{number} of {len(model.images)} photos looked at")
    return report


def _take_image(bucket: Bucket, model: Model, keys: set[str], now: float, dry_run: bool, row: Row) -> _Taken | str:
    """Write one photo's record; a sentence if it is left out. Raises BucketError if the bucket itself fails."""
    try:
        name = _original(bucket, row)
        image_id = object_names.image_of(name)
        if image_id is not None and _has_record(bucket, image_id):
            return _Taken(None)  # without reading the original again
        try:
            data = bucket.read(name, ORIGINAL_LIMIT_BYTES)
        except ObjectNotFound:
            raise LeftOut(f"photo {row['id']!r}: its original {name} is not in the bucket") from None
        record = _record(bucket, row, name, data, model.pictures.get(str(row["id"]), []), keys, now)
        if _has_record(bucket, record.image_id):
            return _Taken(None)
        copied = record.file_path != name
        if not dry_run:
            if copied:
                bucket.create(record.file_path, data, "application/octet-stream")
            bucket.write_if(object_names.record(record.image_id), msgspec.json.encode(record), JSON, NO_OBJECT)
        return _Taken(len(record.results), copied)
    except ObjectChanged:
        return _Taken(None)  # another run, or the model's database has the same photo twice
    except LeftOut as fault:
        return str(fault)
    except BucketError as error:
        if error.temporary:
            raise
        return f"photo {row['id']!r}: {error}"


def _original(bucket: Bucket, row: Row) -> str:
    try:
        return name_in(bucket, str(row["file_path"]))
    except ValueError as error:
        raise LeftOut(f"photo {row['id']!r}: {error}") from error


def _has_record(bucket: Bucket, image_id: str) -> bool:
    try:
        bucket.stat(object_names.record(image_id))
    except ObjectNotFound:
        return False
    return True


def _record(
    bucket: Bucket, row: Row, name: str, data: bytes, pictures: list[Row], keys: set[str], now: float
) -> ImageRecord:
    from backend.http.errors import HttpProblem
    from backend.images.header import read_upload_header

    filename = name.rpartition("/")[2]
    try:
        header: UploadHeader = read_upload_header(
            data, filename, max_pixels=MAX_PIXELS, max_progressive_pixels=MAX_PIXELS
        )
    except HttpProblem as refusal:
        raise LeftOut(f"photo {row['id']!r}: {refusal.detail}") from refusal
    file_hash = hashlib.sha256(data).hexdigest()
    image_id = file_hash[:32]
    own_name = object_names.original(image_id, header.extension)
    results = [] if turned(data) else _results(bucket, pictures, keys, now)
    return ImageRecord(
        image_id=image_id,
        revision=1,
        # Where the model system's name is ours too, the original is shared; else it gets a copy under its own name.
        file_path=name if object_names.image_of(name) == image_id else own_name,
        file_hash=file_hash,
        filename=filename,
        byte_size=len(data),
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        ingested_at=moment(row["ingested_at"]) or now,
        captured_at=header.captured_at,
        rendered_at=max((result.processed_at for result in results), default=None),
        processed_at=max((result.processed_at for result in results), default=None),
        palette=results[0].palette if results else None,
        results=tuple(results),
    )


def turned(data: bytes) -> bool:
    """Whether a photo is to be shown turned or mirrored, which the model system did not know; so is what it could
    not read at all.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return bool(picture.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return True


def _results(bucket: Bucket, rows: list[Row], keys: set[str], now: float) -> list[RecordedResult]:
    """The pictures that are there, in our words; one that cannot be understood is made anew instead."""
    found = []
    for row in rows:
        if row["device_size"] not in keys:
            continue
        try:
            name = name_in(bucket, str(row["file_path"]))
            bucket.stat(name)
            found.append(
                RecordedResult(
                    device=row["device_size"],
                    width=int(row["width"]),
                    height=int(row["height"]),
                    file_path=name,
                    recipe=LEGACY,
                    processed_at=moment(row["processed_at"]) or now,
                    palette=_palette(row),
                )
            )
        except (ObjectNotFound, ValueError, TypeError):
            continue
    return found


def _palette(row: dict[str, Any]) -> Palette:
    """Raises ValueError for what are no colours."""
    three = [str(row[f"color_{part}"]).upper() for part in ("primary", "secondary", "tertiary")]
    source = str(row["color_source"] or three[0]).upper()
    every = (colours(row["color_palette"]) or three)[:8]
    told = {"primary": three[0], "secondary": three[1], "tertiary": three[2], "sourceColor": source, "allColors": every}
    return msgspec.convert(told, Palette)
