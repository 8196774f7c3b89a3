"""Reader of the legacy SQLite database: three tables, whose columns accept values of any type."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

TABLES = {
    "devices": ("id", "name", "width", "height", "orientation"),
    "images": (
        *("id", "file_path", "file_hash", "width", "height", "orientation"),
        *("processing_status", "processing_error", "ingested_at"),
    ),
    "processed_images": (
        *("image_id", "device_size", "width", "height", "file_path"),
        *("color_primary", "color_secondary", "color_tertiary", "color_source", "color_palette", "processed_at"),
    ),
}

Row = dict[str, Any]


class LegacyDatabaseError(ValueError):
    """The file is not a legacy database. The message names what is missing."""


class LegacyDatabase(Struct, frozen=True):
    """The rows of the three tables; the rows of variants are grouped by image id."""

    devices: list[Row]
    images: list[Row]
    pictures: dict[str, list[Row]]


def read_legacy(file: Path) -> LegacyDatabase:
    """Read the whole database without changing it. Raises LegacyDatabaseError."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # one consistent state of all tables, in case the legacy system still writes
            tables = {table: list(_rows(connection, table, columns)) for table, columns in TABLES.items()}
    except sqlite3.Error as error:
        raise LegacyDatabaseError(f"it cannot be read as a SQLite database ({error})") from error
    pictures: dict[str, list[Row]] = {}
    for row in tables["processed_images"]:
        pictures.setdefault(str(row["image_id"]), []).append(row)
    return LegacyDatabase(tables["devices"], tables["images"], pictures)


def _rows(connection: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> Iterator[Row]:
    existing = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
    missing = [column for column in columns if column not in existing]
    if missing:
        raise LegacyDatabaseError(
            f"the table {table} " + (f"has no column {', '.join(missing)}" if existing else "is missing")
        )
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY rowid"):
        yield dict(row)


def moment(value: object) -> float | None:
    """Return a time in seconds since the epoch, or None if `value` is not a time.

    Args:
        value: Seconds or milliseconds since the epoch, or ISO 8601 text. Text without a time zone is UTC, as SQLite's
            own functions write it.
    """
    if isinstance(value, str):
        text = value.strip().replace(" ", "T", 1)
        try:
            value = float(text)
        except ValueError:
            try:
                parsed = datetime.fromisoformat(text)
            except ValueError:
                return None
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return value / 1000.0 if value > 1e11 else float(value)  # 1e11 s is the year 5138; 1e11 ms was in 1973


def colours(value: object) -> list[str]:
    """Return the palette of a row: a JSON list of colours, or of objects with a field `hex`. Otherwise empty."""
    try:
        entries = json.loads(value) if isinstance(value, str | bytes) else []
    except (ValueError, RecursionError):  # RecursionError: lists nested too deeply
        return []
    if not isinstance(entries, list):
        return []
    return [str(entry.get("hex", "") if isinstance(entry, dict) else entry).upper() for entry in entries]
