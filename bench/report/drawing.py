"""A drawing in SVG: marks with classes instead of colours, words that are escaped, and axes with round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape

LETTER = 7.2
"""Pixels that a letter takes, rather too many than too few."""


@dataclass(slots=True)
class Drawing:
    """`width` and `height` in pixels; `label` says in words what is drawn, for those who do not see it."""

    width: float
    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, look: str, says: str = "", rx: float = 2) -> None:
        """A filled rectangle; `says` appears when one points at it."""
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.2f}" height="{height:.1f}" rx="{rx:g}"'
        self.parts.append(f'<rect class="{look}" {place}>{_title(says)}</rect>')

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
        """A straight line."""
        self.parts.append(f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def path(self, points: list[tuple[float, float]], look: str, *, closed: bool = False) -> None:
        """A line through points, or the area that they enclose."""
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path class="{look}" d="M{way}{"Z" if closed else ""}"/>')

    def dot(self, x: float, y: float, radius: float, look: str, says: str = "") -> None:
        """A filled circle."""
        self.parts.append(f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{_title(says)}</circle>')

    def text(self, x: float, y: float, words: str, look: str = "t", anchor: str = "start") -> None:
        """Words whose base line is at `y`; `anchor` is start, middle or end."""
        self.parts.append(f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>')

    def whisker(self, low: float, high: float, y: float, half: float = 4) -> None:
        """The noise band on a bar: from `low` to `high`, in pixels, with caps."""
        self.line(low, y, high, y, "whisker")
        for x in (low, high):
            self.line(x, y - half, x, y + half, "whisker")

    def svg(self, look: str = "", style: str = "") -> str:
        """The element. `style`: rules of its own, for a file that stands alone."""
        own = f"<style>{style}</style>" if style else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{look}" role="img" aria-label="{escape(self.label)}" '
            f'width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}">{own}{"".join(self.parts)}</svg>'
        )


def ticks(highest: float, most: int = 5, lowest: float = 0.0) -> list[float]:
    """Round numbers from `lowest` to `highest`, at most `most` + 1, in steps of 1, 2 or 5 times a power of ten."""
    span = highest - lowest
    if span <= 0:
        return [lowest]
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(lowest / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(highest / step + 1e-9) + 1)]


def number(value: float, digits: int = 3) -> str:
    """So many significant digits, with commas in thousands, never an exponent: 1,234 · 102 · 5.5 · 0.0123."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    shown = f"{value:,.{min(decimals, 6)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def text_width(words: str) -> float:
    """About how wide words are, in pixels."""
    return LETTER * len(words)


def _title(says: str) -> str:
    return f"<title>{escape(says)}</title>" if says else ""
