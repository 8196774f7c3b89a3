"""A run as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.core.results import CaseResult, Run


def lines(run: Run) -> Iterator[str]:
    """Yield the machine, and for each case its contenders, facts, checks and remarks."""
    machine = run.machine
    yield f"{run.started}, commit {run.commit}{' (changed)' if run.dirty else ''}"
    yield f"{machine.cpu}, {machine.cores} cores, {machine.memory_mb / 1000:.1f} GB, Python {machine.python}"
    yield f"{run.samples.count} photos ({run.samples.kind}), {run.samples.bytes / 1e6:.1f} MB"
    for case in run.cases:
        yield ""
        yield from _case(case)


def _case(case: CaseResult) -> Iterator[str]:
    yield f"{case.case} ({case.seconds:.0f} s)"
    if case.failed:
        yield f"  FAILED: {case.failed}"
    contenders = dict.fromkeys(series.contender for series in case.series)
    for contender in contenders:
        own = [series for series in case.series if series.contender == contender and series.samples]
        # A case without times has zeros.
        if any(sample.cpu_s > 0 or sample.wall_s > 0 for series in own for sample in series.samples):
            cpu = median(median(sample.cpu_s for sample in series.samples) for series in own)
            wall = median(median(sample.wall_s for sample in series.samples) for series in own)
            yield f"  {contender:<28} CPU {cpu * 1000:9.2f} ms   wall {wall * 1000:9.2f} ms   (median of {len(own)})"
    for name, value in case.facts.items():
        yield f"  {name:<56} {value:.6g}"
    for check in case.checks:
        yield f"  {'met   ' if check.holds else 'MISSED'} {check.name}: {check.value:.4g} {check.unit} ({check.limit})"
    for remark in case.remarks:
        yield f"  {remark}"
    for missing in case.missing:
        yield f"  MISSING: {missing}"
