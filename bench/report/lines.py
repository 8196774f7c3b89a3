"""Lines over an axis of time or of counts, with a band around a point where its noise is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.report.bars import Limit
from bench.report.drawing import Drawing, number, text_width, ticks

Place = Callable[[float], float]
"""From a value to its pixels along an axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`points`: (x, y), ascending in x. `bands`: for each point its (lowest, highest) y, or None."""

    label: str
    look: str
    points: tuple[tuple[float, float], ...]
    bands: tuple[tuple[float, float] | None, ...] = ()
    dots: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """`x` and `y` name the axes with their units. `at`: the places on x that are named; a
    logarithmic x if given. `highest`: what y reaches at least.
    """

    x: str
    y: str
    at: tuple[float, ...] = ()
    height: float = 210.0
    highest: float = 0.0


def lines(label: str, rows: Sequence[Line], axes: Axes, width: float, limits: Sequence[Limit] = ()) -> Drawing:
    """All lines in one field that begins at y = 0; each is named at its end."""
    named = [row for row in rows if row.label]
    right = max((text_width(row.label) + 24 for row in named), default=12.0)
    top, bottom = 26.0, axes.height
    drawing = Drawing(width, axes.height + 40, label)
    highest = max(
        [y for row in rows for _, y in row.points]
        + [band[1] for row in rows for band in row.bands if band is not None]
        + [limit.value for limit in limits]
        + [axes.highest]
    )
    highest = highest * 1.06 or 1.0
    marks = ticks(highest, 4)
    left = max(text_width(number(mark)) for mark in marks) + 8
    span = width - left - right
    across = _across([x for row in rows for x, _ in row.points], axes.at, left, span)

    def up(value: float) -> float:
        return bottom - value / highest * (bottom - top)

    for mark in marks:
        drawing.line(left, up(mark), left + span, up(mark), "grid" if mark else "axis")
        drawing.text(left - 8, up(mark) + 4, number(mark), "m", "end")
    drawing.text(0, 12, axes.y, "m")
    furthest = max(x for row in rows for x, _ in row.points)
    for mark in axes.at or ticks(furthest, 6 if width > 480 else 3):
        drawing.text(across(mark), bottom + 17, number(mark), "m", "middle")
    drawing.text(left + span, bottom + 34, axes.x, "m", "end")
    for row in rows:
        _draw(drawing, row, across, up, axes)
    for y, row in _apart([(up(row.points[-1][1]), row) for row in named]):
        drawing.dot(left + span + 14, y, 4, f"f-{row.look}")
        drawing.text(left + span + 23, y + 4, row.label)
    for limit in limits:
        drawing.line(left, up(limit.value), left + span, up(limit.value), "s-limit dashed")
        drawing.text(left + span, up(limit.value) - 5, limit.words, "limit", "end")
    return drawing


def _draw(drawing: Drawing, row: Line, across: Place, up: Place, axes: Axes) -> None:
    known = [(x, band) for (x, _), band in zip(row.points, row.bands, strict=False) if band is not None]
    if len(known) > 1:
        edge = [(across(x), up(band[1])) for x, band in known]
        back = [(across(x), up(band[0])) for x, band in reversed(known)]
        drawing.path(edge + back, f"f-{row.look} band", closed=True)
    for x, band in known:
        for end in band:
            drawing.line(across(x) - 4, up(end), across(x) + 4, up(end), "whisker")
        drawing.line(across(x), up(band[0]), across(x), up(band[1]), "whisker")
    drawing.path([(across(x), up(y)) for x, y in row.points], f"s-{row.look} curve")
    if row.dots:
        for x, y in row.points:
            says = f"{row.label}: {number(y)} {axes.y} at {number(x)} {axes.x}"
            drawing.dot(across(x), up(y), 4.5, f"f-{row.look} ring", says)


def _across(values: Sequence[float], at: Sequence[float], left: float, span: float) -> Place:
    """The function from x to pixels: logarithmic with a margin where places are named, else from 0."""
    if at:
        low, high = math.log(min(*at, *values)), math.log(max(*at, *values))
        margin = 24.0
        return lambda x: left + margin + (math.log(x) - low) / max(high - low, 1e-9) * (span - 2 * margin)
    furthest = max(values) or 1.0
    return lambda x: left + x / furthest * span


def _apart(labels: Sequence[tuple[float, Line]], least: float = 15.0) -> list[tuple[float, Line]]:
    """Labels pushed down until none covers another."""
    placed: list[tuple[float, Line]] = []
    for y, row in sorted(labels, key=lambda entry: entry[0]):
        placed.append((max(y, placed[-1][0] + least) if placed else y, row))
    return placed
