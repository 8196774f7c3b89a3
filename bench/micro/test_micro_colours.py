"""The stages of the quantizer, the whole quantizer, and the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import native
from native.colour.histogram import distinct_colours
from native.colour.kmeans import assign_nearest, cluster
from native.colour.lab import lab_of_keys
from native.colour.wu import wu_centres
from processor.render.palette import find_colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.micro.conftest import Benchmark

    Pixels = NDArray[np.uint8]

MAX_COLOURS = 128


def test_stage_distinct_colours(benchmark: Benchmark, proxy: Pixels) -> None:
    _, counts = benchmark(distinct_colours, proxy)
    assert counts.sum() == len(proxy)


def test_stage_wu(benchmark: Benchmark, proxy: Pixels) -> None:
    centres = benchmark(wu_centres, *distinct_colours(proxy), MAX_COLOURS)
    assert 1 <= len(centres) <= MAX_COLOURS


def test_stage_lab(benchmark: Benchmark, proxy: Pixels) -> None:
    keys, _ = distinct_colours(proxy)
    assert benchmark(lab_of_keys, keys).shape == (3, len(keys))


def test_stage_first_assignment(benchmark: Benchmark, proxy: Pixels) -> None:
    keys, _ = distinct_colours(proxy)
    lab = lab_of_keys(keys)
    centres = np.ascontiguousarray(lab[:, :: -(-len(keys) // MAX_COLOURS)])
    chosen = benchmark(assign_nearest, keys, lab, centres)
    assert int(chosen.max()) < centres.shape[1]


def test_stage_cluster(benchmark: Benchmark, proxy: Pixels) -> None:
    """Conversion to Lab, first assignment and all iterations."""
    keys, counts = distinct_colours(proxy)
    _, populations = benchmark(cluster, keys, counts, wu_centres(keys, counts, MAX_COLOURS))
    assert populations.sum() == len(proxy)


def test_quantize(benchmark: Benchmark, proxy: Pixels) -> None:
    assert sum(benchmark(native.quantize, proxy).values()) == len(proxy)


def test_score(benchmark: Benchmark, proxy: Pixels) -> None:
    histogram = native.quantize(proxy)
    assert set(benchmark(native.score, histogram)) <= set(histogram)


def test_palette_and_histogram(benchmark: Benchmark, proxy: Pixels) -> None:
    palette, histogram = benchmark(find_colours, proxy)
    assert len(palette.all_colors) == 8
    assert sum(histogram.values()) == len(proxy)
