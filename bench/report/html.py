"""Pieces of the page: tables, figures, verdicts. Whatever comes from a run is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from bench.core.results import CaseResult, Check
from bench.report.drawing import Drawing, number

WIDE, HALF, NARROW = 892.0, 430.0, 340.0
"""Widths for which each figure is drawn; the style sheet shows the one that fits."""


class Markup(str):
    """Text that is HTML already; all other text is escaped."""


def words(text: str) -> str:
    """The text, escaped unless it is markup."""
    return text if isinstance(text, Markup) else escape(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = (), look: str = "") -> Markup:
    """A table; the columns in `numbers` are set to the right. Empty without rows."""
    if not rows:
        return Markup("")

    def cells(kind: str, row: Sequence[str]) -> str:
        looks = [' class="n"' if place in numbers else "" for place in range(len(row))]
        return "".join(f"<{kind}{look}>{words(cell)}</{kind}>" for look, cell in zip(looks, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return Markup(
        f'<div class="scroll"><table class="{look}"><thead><tr>{cells("th", head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def figure(
    title: str,
    draw: Callable[[float], Drawing],
    caption: str = "",
    legend: Markup | None = None,
    *,
    wide: float = WIDE,
) -> Markup:
    """A plot, drawn for wide and for narrow pages, with what a reader has to know below it."""
    below = f"<figcaption>{words(caption)}</figcaption>" if caption else ""
    return Markup(
        f"<div><h3>{words(title)}</h3><figure>{legend or ''}"
        f"{draw(wide).svg('wide')}{draw(NARROW).svg('narrow')}{below}</figure></div>"
    )


def pairs(figures: Iterable[Markup]) -> Markup:
    """Figures of half the width, two beside each other where there is room."""
    return Markup(f'<div class="pair">{"".join(figures)}</div>')


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """(colour's name, words) in a row."""
    return Markup(
        '<div class="legend">'
        + "".join(
            f'<span><svg width="11" height="11" aria-hidden="true"><rect class="f-{look}" width="11" height="11" '
            f'rx="2"/></svg>{escape(said)}</span>'
            for look, said in entries
        )
        + "</div>"
    )


def paragraph(text: str, look: str = "") -> Markup:
    """A paragraph."""
    return Markup(f'<p class="{look}">{words(text)}</p>')


def verdict(check: Check) -> Markup:
    """Whether a promise holds, as a sign and a word."""
    sign, look = ("✓", "holds") if check.holds else ("✗", "broken")
    return Markup(f'<span class="verdict {look}">{sign} {look}</span>')


def value_of(check: Check) -> str:
    """A check's figure with its unit."""
    return f"{number(check.value, 4)} {check.unit}".strip()


def checks(case: CaseResult) -> Markup:
    """The promises of a case."""
    rows = [(check.name, check.limit, value_of(check), verdict(check)) for check in case.checks]
    return table(("Promise", "Limit", "Measured", ""), rows, (2,), "checks")


def folded(title: str, lines: Sequence[str]) -> Markup:
    """A list that opens when it is asked for; nothing without lines."""
    if not lines:
        return Markup("")
    points = "".join(f"<li>{words(line)}</li>" for line in lines)
    return Markup(f"<details><summary>{words(title)}</summary><ul>{points}</ul></details>")
