"""The summary as a picture for the README: one image's CPU time beside floor and rivals, drawn as SVG, kept as PNG."""

from __future__ import annotations

from pathlib import Path

from bench.core.results import Run
from bench.report.bars import bars
from bench.report.drawing import Drawing, number
from bench.report.speed import image_bars
from bench.report.style import LIGHT, figure_rules

WIDTH, MARGIN, SCALE = 900.0, 28.0, 2.0


class NothingToDraw(Exception):
    """The run has no case `image`, or this libvips draws no SVG; the message says which."""


def picture(run: Run) -> str:
    """The SVG. Raises NothingToDraw."""
    case = next((case for case in run.cases if case.case == "image" and not case.failed), None)
    rows = image_bars(case) if case is not None else ()
    if case is None or not rows:
        raise NothingToDraw("this run did not measure the case image, which the picture is made from")
    inner = bars("CPU time of one image", rows, "ms", WIDTH - 2 * MARGIN)
    top, below = 74.0, 56.0
    whole = Drawing(WIDTH, top + inner.height + below, "CPU time of one image, ours beside floor and rivals")
    whole.rect(0, 0, whole.width, whole.height, "f-page", rx=0)
    whole.text(MARGIN, 38, "CPU time of one image: five screens, thumbnail and colours", "title")
    counted = case.facts.get("counted_photos", 0)
    over = f"Median of {counted:.0f} JPEG photos of 8 MP and more" if counted else "Median over all photos"
    whole.text(MARGIN, 59, f"{over}, in milliseconds; less is better. The lines across bars' ends are noise.", "m")
    whole.parts.append(f'<g transform="translate({MARGIN:g} {top:g})">{"".join(inner.parts)}</g>')
    place, kind = run.machine, "made pictures" if run.samples.kind == "made" else "photos"
    told = (
        f"{place.cpu}, {place.cores} cores · {number(run.samples.count)} {kind} · "
        f"{run.settings.get('rounds', '?')} rounds · commit {run.commit}"
        f"{' (changed)' if run.dirty else ''} · {run.started[:10]}"
    )
    foot = top + inner.height + 18
    whole.text(MARGIN, foot, "The floor decodes once and encodes the six pictures; nothing else. Pillow and "
               "ImageMagick make no colours.", "m")  # fmt: skip
    whole.text(MARGIN, foot + 19, told, "m")
    return whole.svg(style=figure_rules(LIGHT) + "svg text.title{font-size:20px;font-weight:600}")


def write_picture(run: Run, path: Path) -> None:
    """The PNG, at twice the size for sharp screens. Raises NothingToDraw, OSError."""
    import pyvips  # as it comes: `processor.codecs.vips` forbids whatever is not a photo's format, SVG as well

    drawn = picture(run).encode()
    try:
        image = pyvips.Image.svgload_buffer(drawn, scale=SCALE)
        data = image.flatten(background=[255, 255, 255]).pngsave_buffer(palette=True, compression=9)
    except pyvips.Error as error:
        raise NothingToDraw(f"this libvips draws no SVG: {str(error).strip()}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
