"""Write the whole page: one HTML file that loads nothing, from one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.colors import to_hex

from bench.cases import ALL, APART
from bench.core.results import CaseResult, Run
from bench.report.bill import bill
from bench.report.charts import THEME, Chart, Table, number
from bench.report.growth import growth
from bench.report.quality import quality
from bench.report.speed import colours, image, throughput
from bench.report.system import frames, memory, start, target

Draw = Callable[[CaseResult, Run], Iterable[Chart | Table | str]]
SECTIONS: tuple[tuple[str, str, str, Draw], ...] = (
    ("image", "image", "One image, compared with baseline and competitors", image),
    ("throughput", "throughput", "Images per second", throughput),
    ("quality", "quality", "Quality compared with speed", quality),
    ("target", "target", "Target: 50 photos, upload to result", target),
    ("growth", "growth", "Growth", growth),
    ("memory", "memory", "Memory over time", memory),
    ("start", "start", "Start-up", start),
    ("frames", "frames", "Requests of a frame", frames),
    ("bill", "throughput", "Cost of 1,000 images", bill),
    ("colours", "colours", "Colours alone", colours),
)
"""(anchor, name of the case, heading, function that draws it), in the order of the page."""


def page(run: Run) -> str:
    """Return the page as text. The template escapes all text of the run."""
    cases = {case.case: case for case in run.cases}
    known = {name for _, name, _, _ in SECTIONS}
    others: list[tuple[str, str, str, Draw]] = [(name, name, name, lambda *_: ()) for name in cases.keys() - known]
    missing = dict.fromkeys(line for case in run.cases for line in case.missing)
    loader = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    templates.filters |= {"number": number, "to_hex": to_hex}
    return templates.get_template("page.html").render(
        run=run,
        cases=cases,
        theme=THEME,
        checks=[(case.case, check) for case in run.cases for check in case.checks],
        missing=[(name, reason.strip()) for name, _, reason in (line.partition(":") for line in missing)],
        absent=[name for name in (*ALL, *APART) if name not in cases],
        sections=[
            (anchor, name, heading, [] if name not in cases or cases[name].failed else draw(cases[name], run))
            for anchor, name, heading, draw in (*SECTIONS, *sorted(others))
        ],
    )
