"""A run with every case, made up of round figures, for the tests of the report."""

from __future__ import annotations

import msgspec

from bench.core.results import CaseResult, Check, Machine, MemoryLine, Point, Run, Sample, SampleSet, Series, Span

WOBBLE = (1.0, 0.98, 1.03)
"""What the rounds differ by; the median is the first."""


def _samples(cpu: float, rounds: int, **extra: float) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            cpu_s=cpu * wobble,
            wall_s=2 * cpu * wobble,
            peak_rss_mb=200.0 + 10 * place,
            extra={name: value * wobble for name, value in extra.items()},
        )
        for place, wobble in enumerate(WOBBLE[:rounds])
    )


def _check(name: str, limit: str, value: float, unit: str = "times", *, holds: bool = True) -> Check:
    return Check(name=name, limit=limit, value=value, unit=unit, holds=holds)


def _image(rounds: int) -> CaseResult:
    costs = {"ours": (0.11, 0.13), "floor": (0.1, 0.1), "model": (0.72, 0.72), "imagemagick": (5.4, 5.4)}
    return CaseResult(
        case="image",
        series=tuple(
            Series(
                contender=name,
                subject=subject,
                group="JPEG, 12 MP",
                samples=_samples(cpu, 1 if name in ("model", "imagemagick") else rounds),
            )
            for name, both in costs.items()
            for subject, cpu in zip(("a.jpg", "b.jpg"), both, strict=True)
        ),
        facts={
            "counted_photos": 2.0,
            "multiple of the floor": 1.2,
            "times less CPU than the model's way": 6.0,
            **{f"{name}: CPU ms an image, median": 500 * sum(both) for name, both in costs.items()},
        },
        checks=(
            _check("multiple of the floor", "at most 1.5", 1.2),
            _check("times less CPU than the model's way", "at least 5.5", 6.0),
        ),
        remarks=(
            "ours: render_image: JPEG by libjpeg-turbo, libvips encodes",
            "floor: pyvips (libvips' codec): one decode and the same six encodes",
        ),
        missing=("imagemagick: apt-get install imagemagick",),
        versions={"simplejpeg": "1.9.0"},
    )


def _throughput(rounds: int) -> CaseResult:
    rates = {"ours, 1 in flight": 8.0, "ours, 2 in flight": 16.0, "model, 1 in flight": 1.5, "model, 2 in flight": 3.0}
    return CaseResult(
        case="throughput",
        series=tuple(
            Series(contender=name, subject="2 photos", samples=_samples(1 / rate, rounds, images_per_s=rate))
            for name, rate in rates.items()
        ),
        checks=(_check("two in flight over one", "at least 1.9", 2.0),),
    )


def _quality() -> CaseResult:
    return CaseResult(
        case="quality",
        series=tuple(
            Series(
                contender=name,
                subject=f"{photo}, {output}",
                group=output,
                samples=(
                    Sample(
                        cpu_s=0.0,
                        wall_s=0.0,
                        extra={
                            "file_bytes": bytes_,
                            "ssim_before_jpeg": before + place / 1000,
                            "ssim_after_jpeg": before - 0.016 + place / 1000,
                            "psnr_after_jpeg_db": 38.0,
                        },
                    ),
                ),
            )
            for name, bytes_, before in (("ours", 100_000.0, 0.997), ("sharp-tuned", 104_000.0, 0.995))
            for output in ("small", "large")
            for place, photo in enumerate(("a.jpg", "b.jpg"))
        ),
        facts={f"{output}: bytes beside sharp-tuned's, percent": -3.8 for output in ("small", "large")},
        checks=(_check("SSIM before JPEG, median of the lowest output", "at least 0.996", 0.9975, ""),),
    )


def _target(rounds: int) -> CaseResult:
    steps = (("decode", 70), ("resize", 10), ("encode", 5), ("resize", 10), ("encode", 5), ("colours", 5))
    spans, at = [], 2.0
    for stage, ms in steps:
        spans.append(Span(subject="task 0, render_0", stage=stage, begins_s=at, ends_s=at + ms / 1000))
        at += ms / 1000
    spans.append(Span(subject="task 0, MainThread", stage="claim", begins_s=1.0, ends_s=1.5))
    return CaseResult(
        case="target",
        series=tuple(
            Series(contender=form, subject="50 photos of 12 MP", samples=_samples(4.5, rounds, stage_decode_s=3.5))
            for form in ("ours", "ours, emulated network")
        ),
        facts={"multiple_of_goal": 33.3, "stage_decode_ms_per_image": 70.0, "stage_claim_ms_per_image": 10.0},
        checks=(
            _check("50 photos of 12 MP, wall", "at most 10 s", 9.0, "s"),
            _check("50 photos of 12 MP, CPU", "at most 4 s", 4.5, "s", holds=False),
        ),
        spans=tuple(spans),
    )


def _growth(rounds: int) -> CaseResult:
    return CaseResult(
        case="growth",
        series=tuple(
            Series(
                contender=f"ours, {words}",
                subject=f"{count} images",
                samples=_samples(
                    1.0 + 0.015 * count,
                    rounds,
                    cpu_ms_per_image=15.0,
                    wall_ms_per_image=20.0,
                    database_cpu_ms_per_image=3,
                ),
            )
            for words in ("1 task", "4 tasks")
            for count in (50, 500, 5000)
        ),
        facts={"cpu_start_up_s, 1 task": 1.0},
        checks=(_check("marginal CPU an image at 5000 over that at 500, 1 task", "at most 1.1", 1.0),),
    )


def _memory(rounds: int) -> CaseResult:
    peaks = tuple(Sample(cpu_s=1.0, wall_s=1.0, peak_rss_mb=300.0 * wobble) for wobble in WOBBLE[:rounds])
    points = tuple(Point(float(second), 100.0 + 20 * min(second, 10)) for second in range(20))
    return CaseResult(
        case="memory",
        series=(
            Series(contender="ours, 2 in flight", subject="24 photos of 24 MP", samples=peaks),
            Series(contender="ours, 2 in flight", subject="1000 photos", samples=peaks[:1]),
        ),
        checks=(_check("peak memory of a task with 2 photos of 24 MP in flight", "at most 380 MB", 300.0, "MB"),),
        memory=(
            MemoryLine(label="one task, photos of 24 MP", points=points),
            MemoryLine(label="one task, 1000 photos", points=points),
        ),
    )


def _start(rounds: int) -> CaseResult:
    return CaseResult(
        case="start",
        series=(
            Series(contender="ours", subject="one small photo", samples=_samples(0.3, rounds, first_result_s=0.9)),
        ),
        facts={
            **{"first_claim_s": 0.6, "first_result_s": 0.9, "import_of_rendering_s": 0.3, "kernel_load_s": 0.2},
            **{"kernels_compiled": 0.0, "kernel_rank_s": 0.01, "import_httpx_s": 0.1},
        },
        checks=(_check("process start to first claim, warm caches", "at most 0.8 s", 0.6, "s"),),
    )


def constructed_run(rounds: int = 3) -> Run:
    """All cases; `rounds` up to three."""
    colours = tuple(
        Series(contender=name, subject="a.jpg", samples=_samples(cpu, rounds))
        for name, cpu in (("native.quantize", 0.003), ("materialyoucolor Score", 0.011))
    )
    return Run(
        started="2026-11-24T10:00:00+00:00",
        commit="0123456789",
        dirty=False,
        machine=Machine(system="Linux", cpu="A Processor", cores=2, memory_mb=8000, python="3.11.7"),
        versions={"pyvips-binary": "8.18.7", "simplejpeg": "1.9.0"},
        settings={"rounds": str(rounds), "seed": "0"},
        samples=SampleSet(kind="made", count=2, bytes=6_000_000, digest="abcdef"),
        cases=(
            *(_image(rounds), _throughput(rounds), _quality(), CaseResult(case="colours", series=colours)),
            *(_start(rounds), _target(rounds), _memory(rounds), _growth(rounds)),
        ),
    )


def of_cases(run: Run, *names: str) -> Run:
    """The same run, as if only these cases had been measured."""
    return msgspec.structs.replace(run, cases=tuple(case for case in run.cases if case.case in names))
