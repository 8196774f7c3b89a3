"""The whole page: one HTML file that loads nothing, from one run. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from bench.cases import ALL, APART
from bench.core.results import CaseResult, Check, Run
from bench.report.bill import bill
from bench.report.drawing import number
from bench.report.frames import frames
from bench.report.growth import growth
from bench.report.html import Markup, checks, folded, paragraph, table, value_of, verdict
from bench.report.quality import quality
from bench.report.speed import colours, image, throughput
from bench.report.style import page_sheet
from bench.report.system import memory, start, target

Section = Callable[[CaseResult, Run], Iterator[Markup]]
SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    ("image", "image", "One image, beside floor and rivals", image),
    ("throughput", "throughput", "Images per second", throughput),
    ("quality", "quality", "Quality beside speed", quality),
    ("target", "target", "The target: 50 photos, upload to result", target),
    ("growth", "growth", "Growth", growth),
    ("memory", "memory", "Memory over time", memory),
    ("start", "start", "Start-up", start),
    ("frames", "frames", "What a frame asks for", frames),
    ("bill", "throughput", "The bill for 1,000 images", bill),
    ("colours", "colours", "Colours alone", colours),
)
"""(anchor, the case that it is drawn from, heading, what draws it), in the order of the page."""

TILES = (
    ("multiple of the floor", "the floor's CPU for one image", "×"),
    ("times less CPU than the model's way", "less CPU than the model's way", "×"),
    ("times less CPU than sharp tuned", "less CPU than sharp tuned", "×"),
    ("images per second beside the model's", "the model's images per second", "×"),
    ("50 photos of 12 MP, wall", "50 photos of 12 MP, upload to result", "s"),
    ("peak memory of a task", "peak memory, two of 24 MP in flight", "MB"),
    ("process start to first claim", "process start to first claim", "s"),
    ("SSIM before JPEG, median", "SSIM before JPEG, lowest device", ""),
)
"""(How a check's name begins, what a reader is told, the unit behind its figure)."""


def page(run: Run) -> str:
    """The page as text. Whatever comes from the run is escaped."""
    by_name = {case.case: case for case in run.cases}
    title = f"Benchmarks of {run.started[:10]}, commit {run.commit}"
    body = "".join(
        (
            *_head(run, title, by_name),
            *(part for entry in SECTIONS for part in _section(run, by_name, *entry)),
            *_others(run),
            *_settings(run),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{page_sheet()}</style></head><body><main>{body}</main></body></html>\n"
    )


def _head(run: Run, title: str, by_name: dict[str, CaseResult]) -> Iterator[str]:
    place, photos = run.machine, run.samples
    changed = ", with changes that are not committed" if run.dirty else ""
    kind = "pictures made by the suite" if photos.kind == "made" else "photos of a folder"
    yield f"<h1>{escape(title)}</h1>"
    yield paragraph(
        f"{run.started}, commit {run.commit}{changed}. {place.cpu}, {place.cores} cores, "
        f"{place.memory_mb / 1000:.1f} GB, {place.system}, Python {place.python}. {photos.count} {kind}, "
        f"{photos.bytes / 1e6:.1f} MB; {run.settings.get('rounds', '?')} rounds.",
        "note",
    )
    promises = [check for case in run.cases for check in case.checks]
    broken = [(case.case, check) for case in run.cases for check in case.checks if not check.holds]
    tiles = "".join(_tile(promises, *tile) for tile in TILES)
    if tiles:
        yield f'<div class="tiles">{tiles}</div>'
    if promises:
        yield paragraph(f"{len(promises) - len(broken)} of {len(promises)} promises of this run hold.")
    if broken:
        rows = [(case, check.name, check.limit, value_of(check)) for case, check in broken]
        yield str(table(("Case", "Broken promise", "Limit", "Measured"), rows, (3,)))
    yield from _absent(run, by_name)
    links = "".join(f'<a href="#{anchor}">{escape(heading)}</a>' for anchor, _, heading, _ in SECTIONS)
    yield f'<nav>{links}<a href="#settings">Machine, versions, settings</a></nav>'


def _tile(promises: list[Check], beginning: str, told: str, unit: str) -> str:
    check = next((check for check in promises if check.name.startswith(beginning)), None)
    if check is None:
        return ""
    value = number(check.value) if unit else number(check.value, 4)
    return (
        f'<div class="tile"><b>{value}{"" if unit == "×" else " "}{unit}</b><span>{escape(told)}</span>'
        f'<span>{escape(check.limit)}</span><span class="verdict">{verdict(check)}</span></div>'
    )


def _absent(run: Run, by_name: dict[str, CaseResult]) -> Iterator[str]:
    """Contenders that are not installed, once each, and cases that this run does not have."""
    missing = dict.fromkeys(line for case in run.cases for line in case.missing)
    if missing:
        rows = [(name, rest.strip()) for name, _, rest in (line.partition(":") for line in missing)]
        yield "<h3>Contenders that are missing here</h3>"
        yield str(table(("Contender", "Why, and what to install"), rows, (), "few"))
    absent = [name for name in (*ALL, *APART) if name not in by_name]
    if absent:
        yield paragraph(f"Not in this run, so left out below: {', '.join(absent)}.")


def _section(
    run: Run, by_name: dict[str, CaseResult], anchor: str, name: str, heading: str, draw: Section
) -> Iterator[str]:
    yield f'<section id="{anchor}"><h2>{escape(heading)}</h2>'
    case = by_name.get(name)
    if case is None:
        yield paragraph(f"The case {name} is not in this run.", "note")
    elif case.failed:
        yield paragraph(f"The case {name} failed: {case.failed}")
    else:
        if anchor == name:
            yield paragraph(f"The case {name} took {case.seconds:.0f} s.", "note")
            yield checks(case)
        yield from draw(case, run)
        if anchor == name:
            yield from _rest(case)
    yield "</section>"


def _rest(case: CaseResult) -> Iterator[str]:
    yield folded("Remarks", case.remarks)
    facts = [f"{name}: {value:.6g}" for name, value in case.facts.items()]
    yield folded(f"All {len(facts)} figures", facts)


def _others(run: Run) -> Iterator[str]:
    """Cases that have no section of their own: what they promise and found."""
    known = {name for _, name, _, _ in SECTIONS}
    for case in run.cases:
        if case.case not in known:
            yield f"<section><h2>{escape(case.case)}</h2>"
            yield paragraph(f"It failed: {case.failed}") if case.failed else checks(case)
            yield from _rest(case)
            yield "</section>"


def _settings(run: Run) -> Iterator[str]:
    place, photos = run.machine, run.samples
    yield '<section id="settings"><h2>Machine, versions, settings</h2>'
    rows = [
        ("Processor", f"{place.cpu}, {place.cores} cores"),
        ("Memory", f"{place.memory_mb:,} MB"),
        ("System", place.system),
        ("Python", place.python),
        ("Commit", run.commit + (", changed" if run.dirty else "")),
        ("Samples", f"{photos.count}, {photos.kind}, {photos.bytes:,} bytes, digest {photos.digest}"),
        *run.settings.items(),
        *run.versions.items(),
    ]
    yield str(table(("What", "Which"), rows, (), "few"))
    yield "</section>"
