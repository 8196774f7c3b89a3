"""The section about pictures: likeness before and after JPEG for every device, bytes, and both beside speed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import fmean, median

from bench.core.results import CaseResult, Run
from bench.core.statistics import spread
from bench.report.bars import Limit
from bench.report.dots import Dot, Row, rows_of_dots
from bench.report.drawing import number
from bench.report.figures import contenders, limit_of, look_of, name_of
from bench.report.html import Markup, figure, legend, paragraph, table
from bench.report.speed import CPU_FACT

BEFORE, AFTER = "ssim_before_jpeg", "ssim_after_jpeg"
BESIDE = ("sharp-tuned", "model")
"""Whose bytes ours are set beside; the first that was measured."""


def quality(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Quality beside speed, likeness by device, bytes by device."""
    yield from _beside_speed(case, run)
    for name, title, limits in (
        (BEFORE, "Likeness of the pixels, before JPEG", limit_of(case, "SSIM before JPEG, median")),
        (AFTER, "Likeness of the files, after JPEG", ()),
    ):
        yield from _likeness(case, name, title, limits)
    yield from _bytes(case)


def values(case: CaseResult, contender: str, output: str, figure_: str) -> list[float]:
    """One figure of all photos; `output` is a device's name, or "" for all of them."""
    return [
        sample.extra[figure_]
        for one in case.series
        if one.contender == contender and output in ("", one.group)
        for sample in one.samples
        if figure_ in sample.extra
    ]


def _outputs(case: CaseResult) -> list[str]:
    return list(dict.fromkeys(one.group for one in case.series))


def _beside_speed(case: CaseResult, run: Run) -> Iterator[Markup]:
    times = next((other.facts for other in run.cases if other.case == "image"), {})
    rows = []
    for contender in contenders(case):
        files = values(case, contender, "", "file_bytes")
        cells = [name_of(contender)]
        cpu = times.get(CPU_FACT.format(contender))
        cells.append(number(cpu) if cpu is not None else "not in this run")
        for name in (BEFORE, AFTER):
            own = values(case, contender, "", name)
            cells += [f"{median(own):.4f}", f"{min(own):.4f}"] if own else ["none", "none"]
        psnr = values(case, contender, "", "psnr_after_jpeg_db")
        cells += [f"{median(psnr):.1f}" if psnr else "none", number(sum(files) / 1e6, 4) if files else ""]
        rows.append(cells)
    if rows:
        yield Markup("<h3>All devices together</h3>")
        head = (
            *("Contender", "CPU ms", "SSIM before: median", "worst", "SSIM after: median", "worst"),
            *("PSNR after, dB", "All files, MB"),
        )
        yield table(head, rows, range(1, 8))
        yield paragraph(
            "CPU of one image from the case image. A floor makes no pictures of its own, so it has no likeness.", "note"
        )


def _likeness(case: CaseResult, name: str, title: str, limits: tuple[Limit, ...]) -> Iterator[Markup]:
    shown = [contender for contender in contenders(case) if values(case, contender, "", name)]
    rows = []
    for output in _outputs(case):
        dots = []
        for contender in shown:  # ours comes first: the others make room
            own = values(case, contender, output, name)
            if own:
                says = f"{name_of(contender)}, {output}: median {median(own):.4f}, spread {spread(own):.4f}"
                dots.append(Dot(median(own), look_of(contender), says))
        if dots:
            rows.append(Row(output, tuple(dots)))
    if rows:
        yield figure(
            title,
            partial(rows_of_dots, title, rows, "SSIM, median over photos; 1 is equal", limits=limits),
            "Pictures are the same in every round, so these have no noise of time; the axis does not begin at 0.",
            legend([(look_of(contender), name_of(contender)) for contender in shown]),
        )


def _bytes(case: CaseResult) -> Iterator[Markup]:
    shown = [contender for contender in contenders(case) if values(case, contender, "", "file_bytes")]
    rival = next((name for name in BESIDE if name in shown), None)
    rows = []
    for output in _outputs(case):
        cells = [output]
        for contender in shown:
            own = values(case, contender, output, "file_bytes")
            cells.append(f"{fmean(own) / 1000:.1f}" if own else "")
        if rival is not None:
            beside = case.facts.get(f"{output}: bytes beside {rival}'s, percent")
            cells.append("" if beside is None else f"{beside:+.1f} %")
        rows.append(cells)
    if rows:
        head = ["Device", *(name_of(contender) for contender in shown)]
        head += [f"ours beside {name_of(rival)}"] if rival is not None else []
        yield Markup("<h3>Bytes of a file, by device</h3>")
        yield table(head, rows, range(1, len(head)))
        yield paragraph("Mean over photos, in kB.", "note")
