"""Convert rows to messages one by one, so that an odd row, edited by hand or damaged, does not fail a listing."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from contract.messages.frames import FrameFilters
from contract.messages.processing import Palette, StageSeconds

T = TypeVar("T")

log = logging.getLogger(__name__)


def converted(rows: Iterable[sa.Row[*tuple[Any, ...]]], kind: type[T], optional: Collection[str] = ()) -> list[T]:
    """Return the rows as messages of a kind. A row that cannot be converted is logged.

    Args:
        rows: Rows whose columns are named like the fields of `kind`.
        kind: A message type.
        optional: Columns that may be None. They are, in a row that cannot be converted otherwise. A row that cannot
            be converted even so is left out.
    """
    found = []
    for row in rows:
        try:
            found.append(msgspec.convert(row, kind, from_attributes=True))
        except msgspec.ValidationError as error:
            reduced = SimpleNamespace(**{**row._mapping, **dict.fromkeys(optional)})
            name = getattr(row, "id", None) or getattr(row, "name", None)
            try:
                found.append(msgspec.convert(reduced, kind, from_attributes=True))
                log.warning("odd %s %s: %s; ignored: %s", kind.__name__, name, error, ", ".join(optional))
            except msgspec.ValidationError:
                log.warning("odd %s %s is left out: %s", kind.__name__, name, error)
    return found


def palette_of(value: object) -> Palette | None:
    """Return the palette of a JSON column, or None if it is missing or not a palette."""
    return _json_value(value, Palette)


def stages_of(value: object) -> StageSeconds | None:
    """Return the stage times of a JSON column, or None if they are missing or invalid."""
    return _json_value(value, StageSeconds)


def filters_of(value: object) -> FrameFilters:
    """Return the filters of a JSON column, or no filters if they are missing or invalid."""
    return _json_value(value, FrameFilters) or FrameFilters()


def _json_value(value: object, kind: type[T]) -> T | None:
    if not value:
        return None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        log.warning("odd %s in the database is ignored: %s", kind.__name__, error)
        return None
