"""Horizontal bars with their noise bands: a label, a bar, its value beside it, and the limits as lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.drawing import Drawing, number, text_width, ticks

CUT_BEYOND = 2.5
"""A longest bar of more than so many times the next is cut, or nothing could be seen of the others."""

_ROW, _BAR = 34.0, 18.0
_LABEL = 150.0
_NARROW = 480.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """`band`: (lowest, highest) that the value could as well have been, or None where too little was measured."""

    label: str
    value: float
    look: str
    note: str = ""
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A line across the bars, named in words."""

    value: float
    words: str


def bars(label: str, rows: Sequence[Bar], unit: str, width: float, limits: Sequence[Limit] = ()) -> Drawing:
    """The bars in their order. `unit` stands behind each value and at the axis."""
    narrow = width < _NARROW
    left = 0.0 if narrow else max([_LABEL, *(text_width(row.label) + 14 for row in rows)])
    row_height = _ROW + (18 if narrow else 0)
    top = 22.0 if limits else 6.0
    drawing = Drawing(width, top + row_height * len(rows) + 30, label)
    highest, cut = _highest(rows, limits)
    notes = [f"{row.note}  (bar cut)".strip() if row.value > cut else row.note for row in rows]
    values = [f"{number(row.value)} {unit}" for row in rows]
    shown = [f"{value}  {note}".strip() for value, note in zip(values, notes, strict=True)]
    behind = [
        _bold(value) if narrow or not note else _bold(value) + 8 + text_width(note)
        for value, note in zip(values, notes, strict=True)
    ]
    # The value stands behind its bar: each bar leaves room for its own words.
    room = [width - left - words - 16 for words in behind]
    reach = [min(highest, _end(row)) for row in rows]
    scale = min([space / end for space, end in zip(room, reach, strict=True) if end > 0] or [1.0])
    beyond = [limit.value for limit in limits if any(end <= limit.value for end in reach)]
    scale = min([scale, (width - left - 6) / highest, *((width - left - 90) / value for value in beyond)])
    bottom = top + row_height * len(rows) + 2
    for tick in ticks((width - left) / scale * 0.999, 3 if narrow else 6):
        x = left + tick * scale
        drawing.line(x, top, x, bottom, "grid")
        if x < width - 16 - text_width(unit) - text_width(number(tick)) / 2:
            drawing.text(x, bottom + 15, number(tick), "m", "start" if tick == 0 else "middle")
    drawing.text(width, bottom + 15, unit, "m", "end")
    crossed = [left + limit.value * scale for limit in limits]
    for place, row in enumerate(rows):
        y = top + place * row_height + (18 if narrow else 0) + (_ROW - _BAR) / 2
        drawing.text(0, y - 6 if narrow else y + 13.5, row.label)
        length = min(row.value, highest) * scale
        drawing.rect(left, y, length, _BAR, f"f-{row.look}", f"{row.label}: {shown[place]}")
        if row.value > cut:
            _break(drawing, left + length * 0.86, y)
        elif row.band is not None:
            drawing.whisker(left + row.band[0] * scale, left + row.band[1] * scale, y + _BAR / 2)
        end = left + min(_end(row), highest) * scale
        # Words that a limit would cross stand behind it.
        begin = max([end, *(x for x in crossed if end - 4 < x < end + 8 + _bold(values[place]))]) + 8
        drawing.text(begin, y + 13.5, values[place], "v")
        if notes[place] and narrow:
            drawing.text(text_width(row.label) + 10, y - 6, notes[place], "m")
        elif notes[place]:
            drawing.text(begin + _bold(values[place]) + 8, y + 13.5, notes[place], "m")
    for x, limit in zip(crossed, limits, strict=True):
        drawing.line(x, top - 4, x, bottom, "s-limit dashed")
        side = "end" if x + text_width(limit.words) > width else "start"
        drawing.text(x, top - 9, limit.words, "limit", side)
    return drawing


def noise_words(rows: Sequence[Bar]) -> str:
    """What the caption says of the noise bands of these bars, and of those that have none."""
    unknown = [row.label for row in rows if row.band is None]
    if len(unknown) == len(rows):
        return "Noise is not known: it takes three rounds."
    said = "The line across the end of a bar is its noise band: three standard errors of the median, from the rounds."
    return f"{said} Too few rounds to know it: {', '.join(unknown)}." if unknown else said


def _bold(words: str) -> float:
    return text_width(words) * 1.2


def _end(row: Bar) -> float:
    return max(row.value, row.band[1]) if row.band else row.value


def _highest(rows: Sequence[Bar], limits: Sequence[Limit]) -> tuple[float, float]:
    """(What the longest bar shows, the value beyond which a bar is cut.)"""
    values = sorted(row.value for row in rows)
    ends = [_end(row) for row in rows if row.value < values[-1]] + [limit.value for limit in limits]
    if len(values) > 2 and values[-1] > CUT_BEYOND * max(ends) > 0:
        return max(ends) * 1.25, max(ends) * 1.25
    return max(1e-12, *ends, *map(_end, rows)), float("inf")


def _break(drawing: Drawing, x: float, y: float) -> None:
    """Two slanted gaps say that a bar goes on."""
    for shift in (0.0, 7.0):
        left = x + shift
        corners = [(left, y + _BAR + 1), (left + 6, y - 1), (left + 9, y - 1), (left + 3, y + _BAR + 1)]
        drawing.path(corners, "f-page", closed=True)
