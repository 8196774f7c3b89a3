"""Draw the charts of the report with matplotlib, as SVG elements that follow the theme of the page.

matplotlib draws with the light theme. In the SVG text, each colour of the theme then becomes a CSS variable, which the
page defines for the light and for the dark theme. Text stays text, and each mark has a tooltip.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup
from matplotlib import rc_context, rc_params_from_file
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, MaxNLocator, NullLocator

THEME = {
    "page": ("#fcfcfb", "#191918"),
    "card": ("#f3f2ee", "#242422"),
    "ink": ("#14140f", "#f7f7f4"),
    "muted": ("#5b5a55", "#b9b8b0"),
    "grid": ("#e3e2db", "#353531"),
    "good": ("#00701f", "#4fc26b"),
    "bad": ("#c22f2f", "#ee7a7a"),
}
"""By name, the colour in the light and in the dark theme. Marks have the same colour in both."""

PAGE, _, INK, MUTED, _, _, BAD = (light for light, _ in THEME.values())
WIDE, HALF = 892, 430
"""Widths of charts in pixels: of the page, and of half of it."""

ROW, DOT = 34, 10
"""Height of a row of bars, and distance of dots that would overlap, in pixels."""

CUT_BEYOND = 2.5
"""Cut the longest bar if it is longer than all others by more than this factor, so that they stay visible."""

PIXEL = 1 / 72
"""Inches: at 72 pixels per inch, a point of matplotlib, a pixel and a unit of the SVG are the same."""

STYLE = rc_params_from_file(Path(__file__).with_name("report.mplstyle"), use_default_template=False)
"""Sizes and colours of text, axes and lines; `figure.dpi` makes a point equal to a pixel."""

Band = tuple[float, float] | None
"""Lowest and highest plausible value; None if too little was measured."""


class Bar(NamedTuple):
    """A bar with its colour, its noise band, and the note beside its value."""

    label: str
    value: float
    colour: str
    band: Band = None
    note: str = ""


class Line(NamedTuple):
    """A line through points (x, y, noise band), ascending in x. It has dots if it has a label."""

    label: str
    colour: str
    points: Sequence[tuple[float, float, Band]]


class Mark(NamedTuple):
    """A dot in a row, or a period of a timeline."""

    row: str
    begin: float
    colour: str
    tooltip: str
    length: float = 0.0


class Limit(NamedTuple):
    """A line across a chart at a value, with its text."""

    value: float
    text: str
    colour: str = BAD


class Chart(NamedTuple):
    """A chart with the text that explains it; nothing without an `svg`. `legend`: colour by text."""

    title: str
    caption: str
    legend: Mapping[str, str]
    svg: Markup
    is_half: bool


class Table(NamedTuple):
    """A table; nothing without rows. `numbers`: the columns that are aligned to the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Collection[int] = ()


def number(value: float, digits: int = 3) -> str:
    """Format with this many significant digits, with commas in thousands, without an exponent: 1,234, 5.5, 0.0123."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    shown = f"{value:,.{min(decimals, 6)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


@rc_context(STYLE)
def chart(
    paint: Callable[..., float],
    title: str,
    rows: Sequence[Any],
    unit: str,
    *options: Any,
    caption: str = "",
    legend: Mapping[str, str] | None = None,
    width: int = WIDE,
) -> Chart:
    """Draw a chart; one without rows stays empty.

    `paint` is one of the functions below. It receives the axes, `rows`, `unit` and `options`, and returns the height.
    """
    svg = Markup()
    if rows:
        figure = Figure()
        height = paint(figure.subplots(), rows, unit, *options)
        figure.set_size_inches(width * PIXEL, height * PIXEL)
        svg = _svg(figure, f"{title}, {unit}")
    return Chart(title, caption, legend or {}, svg, width == HALF)


def bars(axes: Axes, rows: Sequence[Bar], unit: str, limits: Sequence[Limit] = ()) -> float:
    """Draw horizontal bars in their order, each with its value, note and noise band."""
    ends = [max(row.value, row.band[1] if row.band else 0) for row in rows]
    longest = max(range(len(rows)), key=lambda y: rows[y].value)
    others = max([limit.value for limit in limits] + ends[:longest] + ends[longest + 1 :], default=ends[longest])
    is_cut = len(rows) > 2 and rows[longest].value > CUT_BEYOND * others > 0
    highest = 1.25 * others if is_cut else max(others, ends[longest])
    for y, row in enumerate(rows):
        note = f"{row.note} (bar cut)".strip() if is_cut and y == longest else row.note
        value = f"{number(row.value)} {unit}".rstrip()
        axes.barh(y, row.value, 0.53, color=row.colour)[0].set_gid(f"tooltip {row.label}: {value} {note}".rstrip())
        if row.band and ends[y] <= highest:
            _whisker(axes, row.band, (y, y), "|", unit)
        text = _text(axes, value, (min(ends[y], highest), y), (8, 0), va="center", weight="bold")
        _text(axes, note, (1, 0.5), (8, 0), xycoords=text, va="center", size=12, color=MUTED)
    axes.set_xlim(0, highest * 1.01 or 1)
    return _rows(axes, [row.label for row in rows], unit, ROW, limits)


def noise_text(rows: Sequence[Bar]) -> str:
    """Explain the noise bands of these bars, and name the bars that have none."""
    unknown = [row.label for row in rows if row.band is None]
    if len(unknown) == len(rows):
        return "There are no noise bands: they need at least three rounds."
    text = "The line at the end of a bar is its noise band: three standard errors of the median over the rounds."
    return f"{text} Too few rounds for a noise band: {', '.join(unknown)}." if unknown else text


def lines(
    axes: Axes, rows: Sequence[Line], unit: str, x_unit: str, limits: Sequence[Limit] = (), highest: float = 0.0
) -> float:
    """Draw lines with their noise bands, over a y axis from 0 to at least `highest`.

    If the lines have labels, the x axis is logarithmic, with a tick at each point.
    """
    for row in rows:
        xs, ys, _ = zip(*row.points, strict=True)
        known = [(x, *band) for x, _, band in row.points if band]
        if len(known) > 1:
            at, lows, highs = zip(*known, strict=True)
            axes.fill_between(at, lows, highs, color=row.colour, alpha=0.2, linewidth=0)
        for x, low, high in known:
            _whisker(axes, (x, x), (low, high), "_", unit)
        axes.plot(xs, ys, color=row.colour, linewidth=2)
        for x, y in zip(xs, ys, strict=True) if row.label else ():
            _dot(axes, x, y, row.colour, f"{row.label}: {number(y)} {unit} at {number(x)} {x_unit}")
        highest = max([highest, *ys, *(high for *_, high in known)])
    axes.set(ylim=(0, 1.06 * highest or 1), title=unit, xlabel=x_unit)
    axes.tick_params(axis="y", labelsize=12, labelcolor=MUTED)
    axes.grid(visible=False)
    axes.grid(axis="y")
    axes.axhline(0, color=MUTED)
    for limit in limits:
        axes.axhline(limit.value, color=limit.colour, linestyle="--")
        _text(axes, limit.text, (1, limit.value), (0, 4), xycoords=_ACROSS, ha="right", size=12, color=limit.colour)
    _numbers(axes.yaxis, 4)
    _numbers(axes.xaxis, 8)
    if any(row.label for row in rows):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        _numbers(axes.xaxis, FixedLocator(sorted({x for row in rows for x, *_ in row.points})))
    return 240


def dots(axes: Axes, marks: Sequence[Mark], unit: str, limits: Sequence[Limit] = ()) -> float:
    """Draw dots in rows on one scale, and above or below the row where they would overlap."""
    rows = list(dict.fromkeys(mark.row for mark in marks))
    values = [mark.begin for mark in marks] + [limit.value for limit in limits]
    margin = 0.04 * (max(values) - min(values) or 1)
    axes.set_xlim(min(values) - margin, max(values) + margin)
    near = 27 * margin * DOT / (WIDE - 120)  # 27 margins are the width without the labels
    levels = sorted(range(-len(marks), len(marks) + 1), key=abs)
    last: dict[tuple[str, int], float] = {}
    for mark in sorted(marks, key=lambda mark: mark.begin):
        level = next(level for level in levels if mark.begin - last.get((mark.row, level), -math.inf) >= near)
        last[mark.row, level] = mark.begin
        shift = level * DOT / ROW
        _dot(axes, mark.begin, rows.index(mark.row) + shift, mark.colour, mark.tooltip)
    axes.grid(axis="y")
    margin = max(abs(level) for _, level in last) * DOT / ROW
    return _rows(axes, rows, unit, ROW, limits, margin)


def timeline(axes: Axes, marks: Sequence[Mark], unit: str, totals: Mapping[str, str] | None = None) -> float:
    """Draw periods in rows, in the order in which the rows first appear. `totals`: by row, a text at its right end."""
    rows = list(dict.fromkeys(mark.row for mark in marks))
    for mark in marks:
        box = axes.barh(rows.index(mark.row), mark.length, 0.66, mark.begin, color=mark.colour, linewidth=0)
        box[0].set_gid(f"tooltip {mark.tooltip}")
    for row, total in (totals or {}).items():
        _text(axes, total, (1, rows.index(row)), (8, 0), xycoords=_ACROSS, va="center", weight="bold")
    axes.set_xlim(0, max(mark.begin + mark.length for mark in marks))
    return _rows(axes, rows, unit, 26)


def _rows(
    axes: Axes, labels: Sequence[str], unit: str, pitch: float, limits: Sequence[Limit] = (), margin: float = 0.0
) -> float:
    """Finish a chart of rows: labels, vertical lines of limits with their text above, unit. Return the height.

    `pitch` is the height of a row in pixels, `margin` the space above the first and below the last row, in rows.
    """
    for place, limit in enumerate(limits):
        axes.axvline(limit.value, color=limit.colour, linestyle="--", zorder=1)
        side = "right" if limit.value > sum(axes.get_xlim()) / 2 else "left"
        at = {"xycoords": ("data", "axes fraction"), "ha": side, "size": 12, "color": limit.colour}
        _text(axes, limit.text, (limit.value, 1), (0, 4 + 15 * place), **at)
    axes.set(
        ylim=(len(labels) - 0.5 + margin, -0.5 - margin), yticks=range(len(labels)), yticklabels=labels, xlabel=unit
    )
    _numbers(axes.xaxis, 8)
    return pitch * (len(labels) + 2 * margin) + 44 + 16 * len(limits)


_ACROSS = ("axes fraction", "data")


def _text(axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], **options: Any) -> Annotation:
    return axes.annotate(text, at, xytext=offset, textcoords="offset points", **options)


def _dot(axes: Axes, x: float, y: float, colour: str, tooltip: str) -> None:
    axes.plot(x, y, "o", color=colour, markeredgecolor=PAGE, clip_on=False)[0].set_gid(f"tooltip {tooltip}")


def _whisker(axes: Axes, xs: tuple[float, float], ys: tuple[float, float], cap: str, unit: str) -> None:
    """Draw a noise band as a line with caps; "|" is the cap of a horizontal line, "_" that of a vertical one."""
    line = axes.plot(xs, ys, marker=cap, color=INK, markeredgewidth=1.5)[0]
    low, high = xs if cap == "|" else ys
    line.set_gid(f"tooltip noise band: {number(low)} to {number(high)} {unit}")


def _numbers(axis: Axis, ticks: int | Locator) -> None:
    """Label an axis with numbers, at the places of a locator or at most this many round ones."""
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]) if isinstance(ticks, int) else ticks)
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 4)))


def _svg(figure: Figure, alt: str) -> Markup:
    """Return the figure as an element for the page.

    Colours of the theme become variables and the ids of tooltips become titles. Other ids stay only where something
    refers to them; they get a prefix, because a page holds many charts.
    """
    figure.patch.set_visible(False)
    with io.StringIO() as file:
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        text = file.getvalue()
    text = text[text.index(">", text.index("<svg")) + 1 :]
    text = re.sub(r"<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="tooltip ([^"]*)">', r"<g><title>\1</title>", text)
    text = re.sub(r">\s+<", "><", re.sub(r'<g id="[^"]*">', "<g>", text))
    key = hashlib.sha256(f"{alt}{text}".encode()).hexdigest()[:8]
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{key}-", text)
    for name, (light, _) in THEME.items():
        text = text.replace(light, f"var(--{name})")
    width, height = (round(side / PIXEL) for side in figure.get_size_inches())
    start = Markup('<svg role="img" aria-label="{0}" width="{1}" height="{2}" viewBox="0 0 {1} {2}">')
    return start.format(alt, width, height) + Markup(text)
