"""Colour extraction alone: quantizer and score, compared with materialyoucolor and the TypeScript library."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from functools import partial
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contenders.contender import COLOURS
from bench.contenders.sharp import MODEL, NODE
from bench.core.results import CaseFailed, CaseResult, Sample, Series
from bench.core.runner import Context
from bench.core.samples import Photo

NAME = "colours"
SUMMARY = "quantizer and score alone, compared with materialyoucolor and the TypeScript library; equal lists"

TYPESCRIPT = "material-color-utilities, Node"
DESIRED = 8
REPEATS = 5
"""Calls per sample, for contenders that need a few milliseconds."""

_NODE_SECONDS = 600.0
Pixels = NDArray[np.uint8]


def run(context: Context) -> CaseResult:
    """Run all contenders photo by photo in this process, then the TypeScript on the same downsampled copies."""
    from materialyoucolor.score.score import Score, ScoreOptions

    import native

    downsampled = _downsampled(context.photos)
    if not downsampled:
        raise CaseFailed("none of the samples can be decoded")
    native.score(native.quantize(next(iter(downsampled.values()))))  # loads the kernels
    samples: dict[tuple[str, str], list[Sample]] = {}
    equal = 0
    for number, (name, pixels) in enumerate(downsampled.items(), 1):
        histogram = native.quantize(pixels)
        equal += native.score(histogram) == Score.score(histogram, ScoreOptions(desired=DESIRED))
        ways = _ways(pixels, histogram)
        for round_ in range(context.rounds):
            first = round_ % len(ways)
            for contender, (call, repeats) in (*ways[first:], *ways[:first]):
                samples.setdefault((contender, name), []).append(_timed(call, repeats))
        context.report(f"  photo {number} of {len(downsampled)}: {name}")
    missing = MODEL.missing()
    if not missing:
        for (name, _), times in zip(
            downsampled.items(), _typescript(list(downsampled.values()), context.rounds), strict=True
        ):
            samples[TYPESCRIPT, name] = [Sample(cpu_s=ms / 1000, wall_s=0.0) for ms in times]
    series = tuple(
        Series(contender=contender, subject=name, samples=tuple(own)) for (contender, name), own in samples.items()
    )
    return CaseResult(
        case=NAME,
        series=series,
        facts=_facts(series) | {"photos": float(len(downsampled)), "equal lists of scores": float(equal)},
        missing=(f"{TYPESCRIPT}: {missing}",) if missing else (),
    )


def _downsampled(photos: tuple[Photo, ...]) -> dict[str, Pixels]:
    """Return the pixels of the downsampled copy for the palette, (n, 3), by photo name."""
    from processor.errors import RenderError
    from processor.render.decode import decode
    from processor.render.decode_plan import standard_shrink
    from processor.render.header import read_header
    from processor.render.palette import colour_pixels

    pixels = {}
    for photo in photos:
        data = photo.read()
        try:
            header = read_header(data, photo.name)
            pixels[photo.name] = colour_pixels(decode(data, header, standard_shrink(header), photo.name)).copy()
        except RenderError:  # a damaged photo has no colours
            continue
    return pixels


def _ways(pixels: Pixels, histogram: dict[int, int]) -> list[tuple[str, tuple[Callable[[], Any], int]]]:
    from materialyoucolor.quantize import QuantizeCelebi
    from materialyoucolor.score.score import Score, ScoreOptions

    import native

    listed = pixels.tolist()
    return [
        ("native.quantize", (partial(native.quantize, pixels), REPEATS)),
        ("native.score", (partial(native.score, histogram), REPEATS)),
        ("materialyoucolor, list ready", (lambda: QuantizeCelebi(listed, COLOURS), 1)),
        ("materialyoucolor, list built", (lambda: QuantizeCelebi(pixels.tolist(), COLOURS), 1)),
        ("materialyoucolor Score", (lambda: Score.score(histogram, ScoreOptions(desired=DESIRED)), 1)),
    ]


def _timed(call: Callable[[], Any], repeats: int) -> Sample:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        call()
    return Sample(
        cpu_s=(time.process_time() - cpu) / repeats,
        wall_s=(time.perf_counter() - wall) / repeats,
    )


def _typescript(pictures: list[Pixels], rounds: int) -> list[list[float]]:
    """Return CPU milliseconds by photo and round. Raises CaseFailed."""
    packed = [(picture.astype(np.int64) @ [65536, 256, 1] + 0xFF000000).tolist() for picture in pictures]
    try:
        ended = subprocess.run(
            ["node", str(NODE / "quantizer.mjs")],
            input=json.dumps({"pictures": packed, "rounds": rounds}),
            capture_output=True,
            text=True,
            timeout=_NODE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CaseFailed(f"the TypeScript quantizer did not finish within {_NODE_SECONDS:.0f} s") from error
    if ended.returncode != 0:
        raise CaseFailed(f"the TypeScript quantizer failed: {ended.stderr.strip()[-300:]}")
    answer: list[list[float]] = json.loads(ended.stdout)
    return answer


def _facts(series: tuple[Series, ...]) -> dict[str, float]:
    """Return, for each contender, the mean over photos of its median over rounds, in CPU milliseconds."""
    means = {}
    for contender in dict.fromkeys(each.contender for each in series):
        own = [median(sample.cpu_s for sample in each.samples) for each in series if each.contender == contender]
        means[f"{contender}: CPU ms, mean"] = 1000 * fmean(own)
    return means
