"""The page of `slideshow colours --html`: one self-contained file, written photo by photo."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from contract.messages.processing import Palette
from slideshow.photos.colours import PhotoColours

ROLE_NAMES = ("primary", "secondary", "tertiary")
SWATCH_ROLES = (
    *("primary", "secondary", "tertiary", "primaryContainer", "secondaryContainer", "tertiaryContainer"),
    *("surface", "surfaceContainer", "surfaceVariant", "inverseSurface", "outline", "error"),
)

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Colours of photos</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 24px; background: #fff; color: #222 }
section { display: grid; grid-template-columns: 320px 1fr 1fr; gap: 12px 16px; padding: 16px 0;
  border-top: 1px solid #ccc; max-width: 1280px }
h2 { grid-column: 1 / -1; font-size: 15px; margin: 0; overflow-wrap: anywhere }
h2 span { font-weight: normal; color: #666 }
img { max-width: 320px; max-height: 320px; display: block }
img, .palette, .bar { outline: 1px solid #ccc }
.palette { display: flex; grid-column: 1 / -1 }
.palette div { flex: 1; height: 44px; padding: 6px 8px; font-size: 12px }
.palette .repeated { flex: .35; opacity: .45 }
.bar { display: flex; grid-column: 1 / -1; height: 22px }
.card { padding: 14px; border-radius: 12px; border: 1px solid }
.card p { margin: 2px 0 10px }
.button, .chip { display: inline-block; padding: 5px 12px; border-radius: 16px; margin: 0 6px 6px 0 }
.roles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; margin-top: 8px; font-size: 11px }
.roles div { padding: 4px 6px; border-radius: 4px; overflow: hidden }
</style></head><body><h1>Colours of photos</h1>
"""
FOOT = "</body></html>\n"


def section_of(photo: PhotoColours, preview: bytes) -> str:
    """Return the photo's section of the page. `preview` is a JPEG."""
    palette, schemes = photo.color_palette, photo.schemes
    assert palette is not None
    assert schemes is not None
    remark = " · no colours found: palette of its own tones" if palette.neutral else ""
    about = f"{photo.width} × {photo.height} · {schemes.variant}, contrast {schemes.contrast:g}{remark}"
    return (
        f"<section><h2>{escape(photo.file)} <span>{about}</span></h2>\n"
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(preview).decode()}">\n'
        f"{_card('Light', schemes.light)}\n{_card('Dark', schemes.dark)}\n"
        f"{_palette(palette)}\n{_bar(photo.histogram)}</section>\n"
    )


def text_on(colour: str) -> str:
    """Return black or white, the one with more contrast on `#RRGGBB`, by its luma (ITU-R BT.601)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#000000" if 299 * red + 587 * green + 114 * blue >= 128_000 else "#FFFFFF"


def _palette(palette: Palette) -> str:
    cells = []
    for index, colour in enumerate(palette.all_colors):
        repeated = colour in palette.all_colors[:index]
        name = ROLE_NAMES[index] if index < len(ROLE_NAMES) else str(index + 1)
        label = "repeated" if repeated and index >= len(ROLE_NAMES) else f"{name}<br>{colour}"
        kind = ' class="repeated"' if repeated else ""
        cells.append(f'<div{kind} style="background:{colour};color:{text_on(colour)}">{label}</div>')
    return f'<div class="palette">{"".join(cells)}</div>'


def _bar(histogram: Mapping[str, int]) -> str:
    cells = (
        f'<div title="{colour} {population}" style="flex:{population};background:{colour}"></div>'
        for colour, population in histogram.items()
    )
    return f'<div class="bar">{"".join(cells)}</div>'


def _card(name: str, scheme: Mapping[str, str]) -> str:
    def label(kind: str, background: str, colour: str, text: str) -> str:
        return f'<span class="{kind}" style="background:{scheme[background]};color:{scheme[colour]}">{text}</span>'

    roles = "".join(
        f'<div style="background:{scheme[role]};color:{text_on(scheme[role])}">{role}<br>{scheme[role]}</div>'
        for role in SWATCH_ROLES
    )
    style = f"background:{scheme['surface']};color:{scheme['onSurface']};border-color:{scheme['outlineVariant']}"
    return (
        f'<div class="card" style="{style}"><strong>{name}</strong>'
        f'<p style="color:{scheme["onSurfaceVariant"]}">Sample text on the surface colour.</p>'
        f"{label('button', 'primary', 'onPrimary', 'Primary')}"
        f"{label('chip', 'secondaryContainer', 'onSecondaryContainer', 'Secondary')}"
        f"{label('chip', 'tertiaryContainer', 'onTertiaryContainer', 'Tertiary')}"
        f'<div class="roles">{roles}</div></div>'
    )
