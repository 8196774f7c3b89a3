"""The colours of the report, light and dark, and the style sheet that follows from them. Pure.

A contender keeps its colour on the whole page, and a stage of the work its own. Every figure names what it shows
beside the mark, so that colour is never the only sign.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "page": "#fcfcfb",
    "card": "#f3f2ee",
    "ink": "#14140f",
    "muted": "#5b5a55",
    "grid": "#e3e2db",
    "good": "#00701f",
    "bad": "#c22f2f",
    "limit": "#c22f2f",
    "ours": "#2a78d6",
    "floor": "#8f8e86",
    "floor-turbo": "#b5b4ac",
    "model": "#eb6834",
    "sharp-tuned": "#d99200",
    "pillow": "#4a3aa7",
    "imagemagick": "#d55181",
    "other": "#8f8e86",
    "one": "#86b6ef",
    "two": "#2a78d6",
    "four": "#104281",
    "decode": "#2a78d6",
    "resize": "#1baf7a",
    "encode": "#eda100",
    "colours": "#4a3aa7",
    "load": "#b5b4ac",
    "read": "#e87ba4",
    "wait": "#8f8e86",
}
DARK: Mapping[str, str] = {
    **LIGHT,
    "page": "#191918",
    "card": "#242422",
    "ink": "#f7f7f4",
    "muted": "#b9b8b0",
    "grid": "#353531",
    "good": "#4fc26b",
    "bad": "#ee7a7a",
    "limit": "#ee7a7a",
    "ours": "#4b93e8",
    "floor": "#8b8a83",
    "floor-turbo": "#6b6a64",
    "sharp-tuned": "#d99b1c",
    "pillow": "#9085e9",
    "two": "#4b93e8",
    "one": "#2c62a8",
    "four": "#b7d3f6",
    "decode": "#4b93e8",
    "resize": "#1fa878",
    "encode": "#d99b1c",
    "colours": "#9085e9",
    "load": "#6b6a64",
    "wait": "#8b8a83",
    "other": "#8b8a83",
}
_TONES = ("page", "card", "grid", "good", "bad")
FONT = 'system-ui, "Segoe UI", Roboto, "Liberation Sans", "DejaVu Sans", sans-serif'

_LAYOUT = """
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 FONT; }
main { max-width: 940px; margin: 0 auto; padding: 32px 24px 64px }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -.01em }
h2 { font-size: 21px; line-height: 1.25; margin: 56px 0 2px; padding-top: 20px; letter-spacing: -.005em }
h3 { font-size: 15px; margin: 28px 0 0 }
p { margin: 6px 0 10px; max-width: 72ch }
a { color: inherit; text-underline-offset: 3px }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 18px 0 0 }
.note { font-size: 13px }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 12px; margin: 22px 0 }
.tile { border-radius: 10px; padding: 12px 14px 11px; display: flex; flex-direction: column }
.tile b { display: block; font-size: 27px; line-height: 1.2; font-weight: 650; letter-spacing: -.02em }
.tile span { display: block; font-size: 13px; line-height: 1.35 }
.tile .verdict { margin-top: auto; padding-top: 6px }
.tile .verdict span { display: inline }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 32px }
.verdict { font-weight: 600; white-space: nowrap }
.scroll { overflow-x: auto; margin: 10px 0 6px }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { text-align: left; padding: 5px 14px 5px 0; vertical-align: top; border-bottom: 1px solid }
th { font-weight: 600; font-size: 13px; vertical-align: bottom }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th.n { white-space: normal }
td:last-child, th:last-child { padding-right: 0 }
ul.plain { margin: 6px 0; padding-left: 20px; font-size: 14px }
table.few { width: auto }
table.checks td:nth-child(2) { white-space: nowrap }
figure { margin: 8px 0 4px }
figcaption { font-size: 13px; max-width: 76ch; margin-top: 2px }
svg { display: block; max-width: 100%; height: auto; overflow: visible }
svg.narrow { display: none }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; margin: 4px 0 8px }
.legend svg { display: inline-block; margin-right: 6px }
details { margin: 10px 0 }
summary { cursor: pointer; font-size: 14px }
details ul { margin: 8px 0; padding-left: 20px; font-size: 13.5px }
details li { margin: 3px 0; overflow-wrap: anywhere }
@media (max-width: 720px) {
  main { padding: 20px 16px 48px }
  h1 { font-size: 24px }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px }
  .tile b { font-size: 22px }
  table { font-size: 13px }
  th, td { padding-right: 9px }
  th { font-size: 12px }
  .pair { grid-template-columns: 1fr }
  svg.wide { display: none }
  svg.narrow { display: block }
}
@media print { svg.narrow { display: none } svg.wide { display: block } }
"""


def figure_rules(palette: Mapping[str, str]) -> str:
    """The rules for the inside of an SVG: `f-NAME` fills, `s-NAME` draws a line, `t` and `m` are words."""
    rules = [f".f-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour};fill:none}}" for name, colour in palette.items()]
    words = (
        f"svg text{{fill:{palette['ink']};font-family:{FONT};font-size:13px}}"
        f"svg text.m{{fill:{palette['muted']};font-size:12px}}svg text.v{{font-weight:600}}"
        f"svg text.v{{paint-order:stroke;stroke:{palette['page']};stroke-width:4px;stroke-linejoin:round}}"
        f"svg text.limit{{fill:{palette['limit']};font-size:12px}}"
        f".grid{{stroke:{palette['grid']};stroke-width:1}}"
        f".axis{{stroke:{palette['muted']};stroke-width:1}}"
        f".whisker{{stroke:{palette['ink']};stroke-width:1.5;fill:none}}"
        f".ring{{stroke:{palette['page']};stroke-width:1.5}}"
        ".curve{stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.band{opacity:.2}.faint{opacity:.8}"
        ".dashed{stroke-width:1.5;stroke-dasharray:5 4}"
    )
    return "".join(rules) + words


def page_sheet() -> str:
    """The whole style sheet of the page; dark where the reader's system is dark."""
    dark = _page_rules(DARK) + figure_rules(DARK)
    return (
        _LAYOUT.replace("FONT", FONT)
        + _page_rules(LIGHT)
        + figure_rules(LIGHT)
        + "@media (prefers-color-scheme: dark){"
        + dark
        + "}"
    )


def _page_rules(palette: Mapping[str, str]) -> str:
    return (
        f"body{{background:{palette['page']};color:{palette['ink']}}}"
        f".note,figcaption,.tile span,th{{color:{palette['muted']}}}"
        f".tile{{background:{palette['card']}}}"
        f"h2{{border-top:1px solid {palette['grid']}}}"
        f"th,td{{border-bottom-color:{palette['grid']}}}"
        f".verdict.holds,.tile .holds{{color:{palette['good']}}}"
        f".verdict.broken,.tile .broken{{color:{palette['bad']}}}"
    )
