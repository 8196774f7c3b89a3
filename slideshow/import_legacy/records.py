"""Conversion of legacy photos into permanent records, which are written unless the bucket already has them.

Every original is read once: its id and its upright size follow from its bytes. The legacy system ignored the EXIF
orientation, so variants of a rotated photo are not imported, and the photo is rendered again. All other variants are
imported as they are. No object of the legacy system is changed.
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
from slideshow.import_legacy.devices import JSON, ImportReport, LeftOut, import_devices
from slideshow.import_legacy.reader import LegacyDatabase, Row, colours, moment

if TYPE_CHECKING:
    from backend.images.header import UploadHeader

LEGACY = "legacy"
ORIGINAL_LIMIT_BYTES = 256 * 1024 * 1024
MAX_PIXELS = 1_000_000_000
"""The import itself sets no limit: the processor has one, and reports each photo above it."""
CONCURRENCY = 8
"""Number of originals in memory at a time."""
_ORIENTATION, _UPRIGHT = 0x0112, 1
"""The EXIF orientation tag, and its value for an upright photo (EXIF 2.32, 4.6.4 A)."""


class _Imported(Struct, frozen=True):
    """The result for one photo: the number of its variants (None if the photo was known), and if it was copied."""

    pictures: int | None
    copied: bool = False


def write_records(
    bucket: Bucket, legacy: LegacyDatabase, now: float, progress: Callable[[str], None], *, dry_run: bool = False
) -> ImportReport:
    """Write the missing records.

    Raises:
        BucketError: The bucket fails.
        UnreadableRecord: The existing record of the devices is damaged.
    """
    report = ImportReport()
    keys = import_devices(bucket, legacy.devices, now, report, dry_run=dry_run)
    import_image = partial(_import_image, bucket, legacy, keys, now, dry_run)
    with ThreadPoolExecutor(CONCURRENCY, "import") as threads:
        for number, imported in enumerate(threads.map(import_image, legacy.images), 1):
            if isinstance(imported, str):
                report.left_out.append(imported)
            elif imported.pictures is None:
                report.known += 1
            else:
                report.images += 1
                report.pictures += imported.pictures
                report.copied += imported.copied
            progress(f"read {number} of {len(legacy.images)} photos")
    return report


def _import_image(
    bucket: Bucket, legacy: LegacyDatabase, keys: set[str], now: float, dry_run: bool, row: Row
) -> _Imported | str:
    """Write the record of one photo, or return a sentence if it is left out.

    Raises:
        BucketError: The bucket fails temporarily.
    """
    try:
        name = _original(bucket, row)
        image_id = object_names.image_of(name)
        if image_id is not None and _has_record(bucket, image_id):
            return _Imported(None)  # without reading the original again
        try:
            data = bucket.read(name, ORIGINAL_LIMIT_BYTES)
        except ObjectNotFound:
            raise LeftOut(f"photo {row['id']!r}: its original {name} is not in the bucket") from None
        record = _record(bucket, row, name, data, legacy.pictures.get(str(row["id"]), []), keys, now)
        if _has_record(bucket, record.image_id):
            return _Imported(None)
        copied = record.file_path != name
        if not dry_run:
            if copied:
                bucket.create(record.file_path, data, object_names.media_type(record.file_path))
            bucket.write_if(object_names.record(record.image_id), msgspec.json.encode(record), JSON, NO_OBJECT)
        return _Imported(len(record.results), copied)
    except ObjectChanged:
        return _Imported(None)  # written by another run, or the legacy database has the photo twice
    except LeftOut as error:
        return str(error)
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
    except HttpProblem as problem:
        raise LeftOut(f"photo {row['id']!r}: {problem.detail}") from problem
    file_hash = hashlib.sha256(data).hexdigest()
    image_id = file_hash[:32]
    own_name = object_names.original(image_id, header.extension)
    turned = is_rotated(data)
    results = [] if turned else _results(bucket, pictures, keys, now)
    return ImageRecord(
        image_id=image_id,
        revision=1,
        # If the legacy name equals ours, both systems share the original; otherwise it is copied to our name.
        file_path=name if object_names.image_of(name) == image_id else own_name,
        file_hash=file_hash,
        filename=filename,
        byte_size=len(data),
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        ingested_at=moment(row["ingested_at"]) or now,
        captured_at=header.captured_at,
        turned=turned,
        rendered_at=max((result.processed_at for result in results), default=None),
        processed_at=max((result.processed_at for result in results), default=None),
        palette=results[0].palette if results else None,
        results=tuple(results),
    )


def is_rotated(data: bytes) -> bool:
    """Return True for a photo that EXIF rotates or mirrors, and for one whose EXIF data cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return bool(picture.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return True


def _results(bucket: Bucket, rows: list[Row], keys: set[str], now: float) -> list[RecordedResult]:
    """Return the variants that exist. A variant with invalid fields is left out, so that it is rendered again."""
    results = []
    for row in rows:
        if row["device_size"] not in keys:
            continue
        try:
            name = name_in(bucket, str(row["file_path"]))
            bucket.stat(name)
            results.append(
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
    return results


def _palette(row: dict[str, Any]) -> Palette:
    """Return the palette of a row. Raises ValueError for invalid colours."""
    three = [str(row[f"color_{part}"]).upper() for part in ("primary", "secondary", "tertiary")]
    source = str(row["color_source"] or three[0]).upper()
    every = (colours(row["color_palette"]) or three)[:8]
    fields = dict(zip(("primary", "secondary", "tertiary"), three, strict=True))
    return msgspec.convert({**fields, "sourceColor": source, "allColors": every}, Palette)
