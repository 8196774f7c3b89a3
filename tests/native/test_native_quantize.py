"""`native.quantize`: what it promises for any pixels, and what it refuses."""

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
def test_any_pixels(pixels: Pixels, most: int, random: Any) -> None:
    found = native.quantize(pixels, most)
    assert sum(found.values()) == len(pixels)
    assert 1 <= len(found) <= most
    assert all(0xFF000000 <= argb <= 0xFFFFFFFF and population > 0 for argb, population in found.items())
    assert list(found.items()) == sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
    order = list(range(len(pixels)))
    random.shuffle(order)
    assert list(native.quantize(pixels[order], most).items()) == list(found.items())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.tuples(components, components, components), st.integers(1, 50), most_colours)
def test_a_solid_colour_returns_itself(colour: tuple[int, int, int], n: int, most: int) -> None:
    red, green, blue = colour
    argb = 0xFF000000 | red << 16 | green << 8 | blue
    assert native.quantize(np.full((n, 3), colour, np.uint8), most) == {argb: n}


@pytest.mark.parametrize("most", [1, 2, 128, 256])
@pytest.mark.parametrize("name", degenerate())
def test_degenerate_pictures(name: str, most: int) -> None:
    pixels = degenerate()[name]
    found = native.quantize(pixels, most)
    assert sum(found.values()) == len(pixels)
    assert len(found) <= min(most, len(np.unique(pixels, axis=0)))


def test_few_colours_far_apart_stay_themselves() -> None:
    assert native.quantize(degenerate()["two colours"]) == {0xFF0000FF: 2, 0xFFFFFF00: 1}
    assert len(native.quantize(degenerate()["corners"])) == 8


def test_no_pixels_no_colours() -> None:
    assert native.quantize(np.empty((0, 3), np.uint8)) == {}


def test_layout_and_write_protection_do_not_matter() -> None:
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


def test_the_pixels_are_not_written_to() -> None:
    pixels = scene(12)
    before = pixels.copy()
    native.quantize(pixels)
    assert (pixels == before).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_])
def test_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(TypeError, match="uint8"):
        native.quantize(np.zeros((4, 3), dtype))


def test_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match="list"):
        native.quantize([[1, 2, 3]])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3,), (4, 4), (2, 2, 3), (3, 1), (0,), ()])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        native.quantize(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("most", [0, -1, 257, 10**9])
def test_a_number_of_colours_out_of_range_is_refused(most: int) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        native.quantize(scene(1), most)


def test_half_a_colour_is_refused() -> None:
    with pytest.raises(TypeError):
        native.quantize(scene(1), 2.5)  # type: ignore[arg-type]


def test_more_pixels_than_a_counter_holds_are_refused() -> None:
    endless = np.broadcast_to(np.zeros((1, 3), np.uint8), (1 << 31, 3))
    with pytest.raises(ValueError, match="limit"):
        native.quantize(endless)


def test_a_large_picture_is_the_same_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond four million pixels colours are counted in a table; the answer is that of the sort."""
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
def test_a_hundred_million_pixels() -> None:
    """Every colour there is, nearly: what is needed beside the 300 MB of pixels stays far below the pixels."""
    pixels = 100_000_000 if jit.COMPILES else 2_000
    told = json.loads(run(str(HERE / "peak_memory.py"), str(pixels), PYTHONPATH=str(ROOT)))
    assert told["counted"] == pixels
    assert 1 <= told["colours"] <= 128
    assert told["peak_mib"] < 600


def test_eight_threads_at_once_agree() -> None:
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
