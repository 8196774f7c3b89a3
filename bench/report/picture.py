"""Draw the picture of the README: CPU time of one image, ours compared with baseline and competitors, as PNG."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.core.results import Run
from bench.report.charts import MUTED, PIXEL, STYLE, bars
from bench.report.speed import image_bars

WIDTH, SCALE = 900, 2
"""Width in pixels of the page, and pixels of the file per pixel of the page, for sharp screens."""


class NothingToDraw(Exception):
    """The run has no results of the case `image`."""


@rc_context(STYLE)
def write_picture(run: Run, path: Path) -> None:
    """Write the PNG. Raises NothingToDraw, OSError."""
    case = next((case for case in run.cases if case.case == "image" and not case.failed), None)
    rows = image_bars(case) if case else []
    if case is None or not rows:
        raise NothingToDraw("this run did not measure the case image, which the picture shows; name a run that did")
    figure = Figure(layout=ConstrainedLayoutEngine(w_pad=24 * PIXEL, h_pad=16 * PIXEL))
    height = bars(figure.subplots(), rows, "ms")
    counted = case.facts.get("counted_photos", 0)
    over = f"Median of {counted:.0f} JPEG photos of 8 MP and more" if counted else "Median over all photos"
    title = "CPU time of one image: five screens, thumbnail and colours"
    figure.suptitle(title, x=28 / WIDTH, ha="left", size=20, weight="bold")
    noise = " The line at the end of a bar is its noise band." if any(row.band for row in rows) else ""
    figure.axes[0].set_title(f"{over}, in milliseconds; less is better.{noise}")
    place, photos = run.machine, "made pictures" if run.samples.kind == "made" else "photos"
    text = (
        "The floor (baseline) decodes once and encodes the six variants, nothing else. "
        "Pillow and ImageMagick compute no colours.\n"
        f"{place.cpu}, {place.cores} cores · {run.samples.count} {photos} · {run.settings.get('rounds', '?')} rounds · "
        f"commit {run.commit}{' (changed)' if run.dirty else ''} · {run.started[:10]}"
    )
    figure.supxlabel(text, x=28 / WIDTH, ha="left", size=12, color=MUTED)
    figure.set_size_inches(WIDTH * PIXEL, (height + 140) * PIXEL)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=SCALE / PIXEL, metadata={"Software": None}, pil_kwargs={"optimize": True})
