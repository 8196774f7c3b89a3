"""Draw the section about quality: SSIM before and after JPEG for every device, bytes, and both compared with speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from bench.core.results import CaseResult, Run
from bench.core.statistics import spread
from bench.report.charts import Chart, Limit, Mark, Table, chart, dots, number
from bench.report.values import CPU_FACT, colour_of, contenders, limit_of, name_of

BEFORE, AFTER = "ssim_before_jpeg", "ssim_after_jpeg"
COMPARED_WITH = ("sharp-tuned", "model")
"""Compare the bytes of our files with the first of these that was measured."""


def quality(case: CaseResult, run: Run) -> Iterator[Chart | Table | str]:
    """Draw quality compared with speed, SSIM by device, and bytes by device."""
    yield _all_devices(case, run)
    if case.series:
        yield "The CPU time is from the case image. The baseline encodes prepared variants, so it has no SSIM."
    limits = limit_of(case, "SSIM before JPEG, median")
    yield _ssim(case, BEFORE, "SSIM of the pixels, before JPEG", limits)
    yield _ssim(case, AFTER, "SSIM of the files, after JPEG", ())
    yield _bytes(case)


def _extras(case: CaseResult, contender: str, name: str, device: str = "") -> list[float]:
    """Return one value of all photos, of one device or of all."""
    own = (one for one in case.series if one.contender == contender and device in ("", one.group))
    return [sample.extra[name] for series in own for sample in series.samples if name in sample.extra]


def _devices(case: CaseResult) -> list[str]:
    return list(dict.fromkeys(series.group for series in case.series))


def _all_devices(case: CaseResult, run: Run) -> Table:
    facts = next((other.facts for other in run.cases if other.case == "image"), {})
    rows = []
    for contender in contenders(case):
        cpu = facts.get(CPU_FACT.format(contender))
        before, after, psnr, files = (
            _extras(case, contender, name) for name in (BEFORE, AFTER, "psnr_after_jpeg_db", "file_bytes")
        )
        cells = [name_of(contender), "not in this run" if cpu is None else number(cpu)]
        cells += [f"{of(own):.4f}" if own else "none" for own in (before, after) for of in (median, min)]
        cells += [f"{median(psnr):.1f}" if psnr else "none", number(sum(files) / 1e6, 4) if files else ""]
        rows.append(cells)
    ssim = ("SSIM before: median", "worst", "SSIM after: median", "worst")
    head = ("Contender", "CPU ms", *ssim, "PSNR after, dB", "All files, MB")
    return Table("All devices together", head, rows, range(1, 8))


def _ssim(case: CaseResult, name: str, title: str, limits: Sequence[Limit]) -> Chart:
    marks, legend = [], {}
    for device in _devices(case):
        for contender in contenders(case):
            if own := _extras(case, contender, name, device):
                label, colour = name_of(contender), colour_of(contender)
                text = f"{label}, {device}: median {median(own):.4f}, spread {spread(own):.4f}"
                marks.append(Mark(device, median(own), colour, text))
                legend[label] = colour
    text = "Variants are the same in every round, so there is no timing noise. The axis does not begin at 0."
    return chart(dots, title, marks, "SSIM, median over photos; 1 is identical", limits, caption=text, legend=legend)


def _bytes(case: CaseResult) -> Table:
    shown = [contender for contender in contenders(case) if _extras(case, contender, "file_bytes")]
    competitor = next((name for name in COMPARED_WITH if name in shown), None)
    rows = []
    for device in _devices(case) if shown else ():
        means = [_extras(case, contender, "file_bytes", device) for contender in shown]
        cells = [device, *(f"{fmean(own) / 1000:.1f}" if own else "" for own in means)]
        if competitor:
            percent = case.facts.get(f"{device}: bytes beside {competitor}'s, percent")
            cells.append("" if percent is None else f"{percent:+.1f} %")
        rows.append(cells)
    head = ["Device", *map(name_of, shown), *([f"ours compared with {name_of(competitor)}"] if competitor else [])]
    return Table("Mean bytes of a file over photos in kB, by device", head, rows, range(1, len(head)))
