"""`native.quantize`: properties for any pixels, and invalid arguments."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import native
from native import jit
from tests.native.pictures_of_colours import Pixels, degenerate, scene
from tests.native.processes import HERE, ROOT, run

EXAMPLES = 60 if jit.COMPILES else 15

components = st.integers(0, 255)
some_pixels = st.lists(st.tuples(components, components, components), min_size=1, max_size=120).map(
    lambda colours: np.array(colours, np.uint8)
)
most_colours = st.integers(1, 256)


@settings(max_examples=EXAMPLES, deadline=None)
@given(some_pixels, most_colours, st.randoms())
def test_quantize_is_complete_sorted_and_ignores_order(pixels: Pixels, most: int, random: Any) -> None:
    colours = native.quantize(pixels, most)
    assert sum(colours.values()) == len(pixels)
    assert 1 <= len(colours) <= most
    assert min(colours) >= 0xFF000000
    assert max(colours) <= 0xFFFFFFFF
    assert min(colours.values()) > 0
    assert list(colours.items()) == sorted(colours.items(), key=lambda entry: (-entry[1], entry[0]))
    order = list(range(len(pixels)))
    random.shuffle(order)
    assert list(native.quantize(pixels[order], most).items()) == list(colours.items())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.tuples(components, components, components), st.integers(1, 50), most_colours)
def test_quantize_returns_a_solid_colour_unchanged(colour: tuple[int, int, int], n: int, most: int) -> None:
    red, green, blue = colour
    argb = 0xFF000000 | red << 16 | green << 8 | blue
    assert native.quantize(np.full((n, 3), colour, np.uint8), most) == {argb: n}


@pytest.mark.parametrize("most", [1, 2, 128, 256])
@pytest.mark.parametrize("name", degenerate())
def test_degenerate_pictures(name: str, most: int) -> None:
    pixels = degenerate()[name]
    colours = native.quantize(pixels, most)
    assert sum(colours.values()) == len(pixels)
    assert 1 <= len(colours) <= min(most, len(np.unique(pixels, axis=0)))


def test_quantize_keeps_few_distant_colours() -> None:
    assert native.quantize(degenerate()["two colours"]) == {0xFF0000FF: 2, 0xFFFFFF00: 1}
    assert len(native.quantize(degenerate()["corners"])) == 8


def test_quantize_without_pixels_returns_nothing() -> None:
    assert native.quantize(np.empty((0, 3), np.uint8)) == {}


def test_quantize_accepts_any_memory_layout() -> None:
    pixels = scene(11) if jit.COMPILES else scene(11, 12, 9)
    expected = native.quantize(pixels)
    wide = np.zeros((len(pixels) * 2, 5), np.uint8)
    wide[::2, 1:4] = pixels
    assert native.quantize(wide[::2, 1:4]) == expected
    assert native.quantize(np.asfortranarray(pixels)) == expected
    protected = pixels.copy()
    protected.setflags(write=False)
    assert native.quantize(protected) == expected
    assert native.quantize(np.frombuffer(pixels.tobytes(), np.uint8).reshape(-1, 3)) == expected


def test_quantize_does_not_modify_the_pixels() -> None:
    pixels = scene(12)
    before = pixels.copy()
    native.quantize(pixels)
    assert (pixels == before).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_])
def test_quantize_rejects_other_dtypes(dtype: type) -> None:
    with pytest.raises(TypeError, match="uint8"):
        native.quantize(np.zeros((4, 3), dtype))


def test_quantize_rejects_a_list() -> None:
    with pytest.raises(TypeError, match="list"):
        native.quantize([[1, 2, 3]])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3,), (4, 4), (2, 2, 3), (3, 1), (0,), ()])
def test_quantize_rejects_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        native.quantize(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("most", [0, -1, 257, 10**9])
def test_quantize_rejects_max_colors_out_of_range(most: int) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        native.quantize(scene(1), most)


def test_quantize_rejects_fractional_max_colors() -> None:
    with pytest.raises(TypeError):
        native.quantize(scene(1), 2.5)  # type: ignore[arg-type]


def test_quantize_rejects_too_many_pixels() -> None:
    endless = np.broadcast_to(np.zeros((1, 3), np.uint8), (1 << 31, 3))
    with pytest.raises(ValueError, match="limit"):
        native.quantize(endless)


def test_quantize_of_a_large_picture_scales_the_populations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond four million pixels colours are counted in a table, with the same result as by sorting."""
    if not jit.COMPILES:
        monkeypatch.setattr(native, "MANY_PIXELS", 1000)
    once = scene(13, 64, 48) if jit.COMPILES else scene(13, 20, 15)
    times = native.MANY_PIXELS // len(once) + 1
    many = np.broadcast_to(once, (times, *once.shape)).reshape(-1, 3)
    assert native.quantize(many) == {argb: n * times for argb, n in native.quantize(once).items()}


@pytest.mark.server
@pytest.mark.long
@pytest.mark.timeout(250)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_quantize_of_100_million_pixels_has_bounded_memory() -> None:
    """Nearly every colour occurs. The memory in addition to the 300 MB of pixels stays bounded."""
    pixels = 100_000_000 if jit.COMPILES else 2_000
    report = json.loads(run(str(HERE / "peak_memory.py"), str(pixels), PYTHONPATH=str(ROOT)))
    assert report["counted"] == pixels
    assert 1 <= report["colours"] <= 128
    assert report["peak_mib"] < 600


def test_quantize_in_eight_threads_gives_equal_results() -> None:
    size = (256, 192) if jit.COMPILES else (16, 12)
    pictures = [scene(seed, *size) for seed in range(4)]
    expected = [list(native.quantize(picture).items()) for picture in pictures]
    wrong: list[int] = []
    finished: list[int] = []

    def work(first: int) -> None:
        for turn in range(8 if jit.COMPILES else 1):
            which = (first + turn) % len(pictures)
            if list(native.quantize(pictures[which]).items()) != expected[which]:
                wrong.append(which)
        finished.append(first)

    threads = [Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(finished) == 8
    assert wrong == []
