"""Dots in rows: contenders on one scale, or one dot for each photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.bars import Limit
from bench.report.drawing import Drawing, number, text_width, ticks
from bench.report.lines import Place

_RADIUS = 5.0
_ROW = 34.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One dot; `says` appears when one points at it."""

    value: float
    look: str
    says: str


@dataclass(frozen=True, slots=True)
class Row:
    """Dots side by side under one label."""

    label: str
    dots: tuple[Dot, ...]


def rows_of_dots(
    label: str, rows: Sequence[Row], axis: str, width: float, limits: Sequence[Limit] = (), *, from_zero: bool = False
) -> Drawing:
    """Each row's dots on one scale, which begins at the lowest value unless `from_zero`; `axis` names it."""
    narrow = width < 480
    left = 8.0 if narrow else max(60.0, *(text_width(row.label) + 16 for row in rows))
    row_height = _ROW + (14 if narrow else 0)
    values = [dot.value for row in rows for dot in row.dots] + [limit.value for limit in limits]
    low, high = 0.0 if from_zero else min(values), max(values)
    margin = (high - low or abs(high) or 1.0) * 0.06
    low, high = low if from_zero else low - margin, high + margin
    top = 22.0 if limits else 6.0
    bottom = top + row_height * len(rows)
    drawing = Drawing(width, bottom + 36, label)

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 8)

    for tick in ticks(high, 4 if narrow else 6, low):
        drawing.line(across(tick), top, across(tick), bottom, "grid")
        drawing.text(across(tick), bottom + 16, number(tick), "m", "middle")
    drawing.text(width, bottom + 33, axis, "m", "end")
    for place, row in enumerate(rows):
        y = top + place * row_height + row_height / 2 + (7 if narrow else 0)
        drawing.text(0, y - 12 if narrow else y + 4.5, row.label)
        drawing.line(left, y, width, y, "grid")
        covered: list[float] = []
        for dot in row.dots:
            x = across(dot.value)
            near = sum(abs(x - other) < 2 * _RADIUS for other in covered)
            covered.append(x)
            shift = (0, -7, 7, -13)[near % 4]  # one that would cover another stands beside it
            drawing.dot(x, y + shift, _RADIUS, f"f-{dot.look} ring", dot.says)
    _limits(drawing, limits, across, top, bottom, width)
    return drawing


def swarm(
    label: str, dots: Sequence[Dot], axis: str, width: float, limits: Sequence[Limit] = (), middle: str = ""
) -> Drawing:
    """All dots on one scale from 0, stacked where they would cover each other; the median as a line, named `middle`."""
    values = sorted(dot.value for dot in dots)
    high = max([*values, *(limit.value for limit in limits)]) * 1.06
    scale = (width - 16) / high
    levels: dict[int, int] = {}
    placed = []
    for dot in sorted(dots, key=lambda one: one.value):
        column = round(dot.value * scale / (2 * _RADIUS))
        levels[column] = levels.get(column, 0) + 1
        placed.append((column * 2 * _RADIUS, levels[column], dot))
    top = 42.0
    bottom = top + max(levels.values()) * 2 * _RADIUS + 14
    drawing = Drawing(width, bottom + 36, label)
    for tick in ticks(high, 4 if width < 480 else 8):
        drawing.line(8 + tick * scale, top, 8 + tick * scale, bottom, "grid")
        drawing.text(8 + tick * scale, bottom + 16, number(tick), "m", "middle")
    drawing.line(8, bottom, width - 8, bottom, "axis")
    drawing.text(width, bottom + 33, axis, "m", "end")
    for x, level, dot in placed:
        drawing.dot(8 + x, bottom - level * 2 * _RADIUS + _RADIUS - 2, _RADIUS - 0.4, f"f-{dot.look}", dot.says)
    x = 8 + values[len(values) // 2] * scale
    if len(values) % 2 == 0:
        x = 8 + (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2 * scale
    drawing.line(x, top - 14, x, bottom, "whisker")
    drawing.text(x + (-6 if x > width / 2 else 6), top - 6, middle, "v", "end" if x > width / 2 else "start")
    _limits(drawing, limits, lambda value: 8 + value * scale, top - 18, bottom, width)
    return drawing


def _limits(drawing: Drawing, limits: Sequence[Limit], across: Place, top: float, bottom: float, width: float) -> None:
    for limit in limits:
        x = across(limit.value)
        drawing.line(x, top - 4, x, bottom, "s-limit dashed")
        drawing.text(x, top - 9, limit.words, "limit", "end" if x > width / 2 else "start")
