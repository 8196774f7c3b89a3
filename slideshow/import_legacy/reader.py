"""Reads the model system's SQLite database: three tables, whose values come in the forms that SQLite lets through."""

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


class ModelDatabaseError(Exception):
    """The file is no database of the model system; the message says what is missing."""


class Model(Struct, frozen=True):
    """The rows of the three tables, those of pictures by the image that they were made of."""

    devices: list[Row]
    images: list[Row]
    pictures: dict[str, list[Row]]


def read_model(file: Path) -> Model:
    """The whole database, which is opened for reading alone. Raises ModelDatabaseError."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # one state of all three tables, should the model system still be at work
            found = {table: list(_rows(connection, table, columns)) for table, columns in TABLES.items()}
    except sqlite3.Error as error:
        raise ModelDatabaseError(f"it cannot be read as a SQLite database ({error})") from error
    pictures: dict[str, list[Row]] = {}
    for row in found["processed_images"]:
        pictures.setdefault(str(row["image_id"]), []).append(row)
    return Model(found["devices"], found["images"], pictures)


def _rows(connection: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> Iterator[Row]:
    there = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
    missing = [column for column in columns if column not in there]
    if missing:
        raise ModelDatabaseError(
            f"the table {table} " + ("is missing" if not there else f"lacks the columns {', '.join(missing)}")
        )
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY rowid"):
        yield dict(row)


def moment(value: object) -> float | None:
    """A time as seconds since the epoch, UTC: from such seconds, from milliseconds, or from ISO 8601 text.

    Text without a zone is UTC, as SQLite's own functions write it. None for what is no time.
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
    """The palette of a row: a JSON list of colours, or of objects that hold one as `hex`; empty if it is neither."""
    try:
        found = json.loads(value) if isinstance(value, str | bytes) else []
    except (ValueError, RecursionError):  # the latter for lists within lists without end
        return []
    if not isinstance(found, list):
        return []
    return [str(entry.get("hex", "") if isinstance(entry, dict) else entry).upper() for entry in found]
