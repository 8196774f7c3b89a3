"""Dithering: equal to a slow twin, the same everywhere, neutral greys, small errors, and degenerate pictures."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import native
from native import jit
from native.dither.diffusion import count_luminance, diffuse_into
from native.dither.gamut import fill_gamut, fill_nearest
from native.dither.ink_tables import half_spaces, ink_tables
from native.dither.oklab import LIGHT, oklab_of
from native.dither.tone import tone_curve
from tests.native import dither_twin
from tests.native.dither_twin import INKS, scene
from tests.native.processes import ABOUT_COMPILATION, run

GREY_PANELS = ("grey2", "grey4")
compiled_only = pytest.mark.skipif(not jit.COMPILES, reason=ABOUT_COMPILATION)
every_panel = pytest.mark.parametrize("panel", list(INKS) if jit.COMPILES else GREY_PANELS)


def oklab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return OKLab (Ottosson 2020) of linear sRGB in floating point."""
    to_lms = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    )  # fmt: skip
    to_lab = np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    )  # fmt: skip
    return np.cbrt(light @ to_lms.T) @ to_lab.T


def blurred(light: NDArray[np.float64], sigma: float = 2.0) -> NDArray[np.float64]:
    offsets = np.arange(-8, 9)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(light, [(8, 8) if axis == each else (0, 0) for each in range(3)], mode="reflect")
        light = sum(
            weight * np.take(padded, np.arange(light.shape[axis]) + shift, axis) for shift, weight in enumerate(weights)
        )
    return light


def shown(numbers: NDArray[np.uint8], panel: str) -> NDArray[np.float64]:
    """Return the light of a dithered picture."""
    return LIGHT[np.array(INKS[panel])][numbers] / 16384


@every_panel
@pytest.mark.parametrize("size", [(31, 40), (1, 7), (9, 1), (2, 2)])
def test_dithering_equals_its_slow_twin(panel: str, size: tuple[int, int]) -> None:
    picture = scene(31, 40)[: size[0], : size[1]]
    tables = ink_tables(INKS[panel])
    tone = tone_curve(count_luminance(np.ascontiguousarray(picture).reshape(-1), LIGHT), tables.black, tables.white)
    assert native.dither_picture(picture, INKS[panel]).tolist() == dither_twin.dithered(picture, INKS[panel], tone)


@compiled_only
@every_panel
def test_dithered_picture_is_near_the_colours_that_it_mixes(panel: str) -> None:
    picture = scene(120, 160)
    target = native.fit_picture(picture, INKS[panel]) / 16384
    error = oklab(blurred(shown(native.dither_picture(picture, INKS[panel]), panel))) - oklab(blurred(target))
    distance = np.sqrt((error**2).sum(-1))
    assert distance.mean() < 0.025
    assert np.percentile(distance, 95) < 0.08


@every_panel
def test_neutral_picture_gets_grey_inks_only(panel: str) -> None:
    ramp = np.repeat(np.linspace(0, 255, 64).round().astype(np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    used = set(np.unique(native.dither_picture(ramp, INKS[panel])).tolist())
    assert used <= set(ink_tables(INKS[panel]).greys)
    assert len(used) == len(ink_tables(INKS[panel]).greys)


@every_panel
def test_black_and_white_stay_without_a_dot(panel: str) -> None:
    greys = ink_tables(INKS[panel]).greys
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, 15:] = 255
    numbers = native.dither_picture(picture, INKS[panel])
    assert set(numbers[:, :14].reshape(-1).tolist()) == {greys[0]}
    assert set(numbers[:, 16:].reshape(-1).tolist()) == {greys[-1]}


@every_panel
@pytest.mark.parametrize(
    "colour", [(0, 0, 0), (255, 255, 255), (0, 255, 255), (255, 0, 255), (1, 2, 3), (254, 255, 253)]
)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (16, 16)])
def test_pictures_of_one_colour(panel: str, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    numbers = native.dither_picture(np.full((*size, 3), colour, np.uint8), INKS[panel])
    assert numbers.shape == size
    assert numbers.max() < len(INKS[panel])


@compiled_only
def test_colour_that_no_mixture_reaches_does_not_spill_over() -> None:
    picture = np.full((60, 60, 3), (150, 143, 150), np.uint8)
    picture[:30] = (0, 255, 255)
    target = native.fit_picture(picture, INKS["spectra6"]) / 16384
    light = shown(native.dither_picture(picture, INKS["spectra6"]), "spectra6")
    below = (slice(34, 44), slice(None))
    assert np.abs(light[below].mean((0, 1)) - target[below].mean((0, 1))).max() < 0.01


@compiled_only
def test_hue_of_saturated_colours_stays() -> None:
    for colour, ink in (((230, 20, 20), 3), ((250, 230, 0), 2), ((20, 40, 200), 4), ((20, 120, 40), 5)):
        numbers = native.dither_picture(np.full((40, 40, 3), colour, np.uint8), INKS["spectra6"])
        assert np.bincount(numbers.reshape(-1), minlength=6).argmax() == ink


@every_panel
def test_same_bytes_on_one_to_eight_threads(panel: str) -> None:
    pictures = [scene(24, 32, seed) for seed in range(8)]
    expected = [native.dither_picture(picture, INKS[panel]).tobytes() for picture in pictures]
    for threads in range(1, 9):
        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(lambda picture: native.dither_picture(picture, INKS[panel]).tobytes(), pictures))
        assert results == expected


def test_picture_may_be_a_slice_and_is_not_modified() -> None:
    whole = scene(20, 30)
    whole.flags.writeable = False
    part = whole[3:17, ::2]
    assert (native.dither_picture(part, INKS["grey4"]) == native.dither_picture(part.copy(), INKS["grey4"])).all()


PANELS_OF_DIGEST = ("spectra6", "bwry", "grey4")


def digest(folder: Path) -> str:
    """Return a digest of parts of the tables, and of a picture that is dithered with the tables in `folder`."""
    total = hashlib.sha256()
    for panel in PANELS_OF_DIGEST:
        with np.load(folder / f"{panel}.npz") as stored:
            tables = dict(stored)
        for begin in range(0, 32768, 3001):
            nearest, gamut = np.zeros(3, np.uint8), np.zeros(3, np.uint32)
            fill_nearest(tables["inks"], int(tables["inks"].max()), begin, nearest)
            total.update(nearest.tobytes())
            if panel != "grey4":
                fill_gamut(tables["axis"], half_spaces(tables["inks"].tolist()), tables["coloured"], begin, gamut)
                total.update(gamut.tobytes())
        picture = scene(24, 30)
        numbers, targets = np.zeros(24 * 30, np.uint8), np.zeros(24 * 30 * 3, np.int16)
        flat = picture.reshape(-1)
        tone = tone_curve(count_luminance(flat, LIGHT), int(tables["axis"][0, 3]), int(tables["axis"][2, 3]))
        names = ("axis", "coloured", "gamut_codes", "gamut", "ink_codes", "nearest", "nearest_grey", "inks")
        diffuse_into(flat, 24, 30, LIGHT, tone, *(tables[name] for name in names), panel == "grey4", numbers, targets)
        total.update(tone.tobytes() + numbers.tobytes() + targets.tobytes())
    return total.hexdigest()


PRINT_DIGEST = """
import sys
from pathlib import Path
from tests.native.test_native_dither import digest
print(digest(Path(sys.argv[1])))
"""


@compiled_only
@pytest.mark.server
def test_digest_without_compilation_is_equal(tmp_path: Path) -> None:
    for panel in PANELS_OF_DIGEST:
        tables = ink_tables(INKS[panel])
        arrays = {name: getattr(tables, name) for name in tables.__slots__}
        np.savez(
            tmp_path / f"{panel}.npz",
            **{name: value for name, value in arrays.items() if isinstance(value, np.ndarray)},
        )
    expected = digest(tmp_path)
    assert run("-c", PRINT_DIGEST, str(tmp_path)).strip() == expected
    assert run("-c", PRINT_DIGEST, str(tmp_path), NUMBA_DISABLE_JIT="1").strip() == expected


@compiled_only
def test_tables_contain_the_nearest_ink() -> None:
    inks = INKS["spectra6"]
    tables = ink_tables(inks)
    labs = oklab(LIGHT[np.array(inks)] / 16384)
    brightest = tables.inks.max()
    centres = brightest * ((2 * np.arange(32) + 1) / 64) ** 3 / 16384
    colours = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"), -1).reshape(-1, 3)
    difference = oklab(colours)[:, None] - labs[None]
    distances = difference[..., 0] ** 2 + 4 * (difference[..., 1:] ** 2).sum(-1)
    chosen = distances[np.arange(len(colours)), tables.nearest]
    assert (np.sqrt(chosen) - np.sqrt(distances.min(1))).max() < 0.004


def test_integers_are_near_the_published_formula() -> None:
    colours = np.random.default_rng(3).integers(0, 256, (500, 3))
    light = LIGHT[colours].astype(np.int64)
    ours = np.array([oklab_of(*pixel) for pixel in light]) / 16384
    bright = light.min(1) > 60
    assert np.abs(ours - oklab(light / 16384))[bright].max() < 0.002


@pytest.mark.parametrize(
    ("inks", "message"),
    [
        (((0, 0, 0),), "2 to 16 inks"),
        (tuple((level, level, level) for level in range(17)), "2 to 16 inks"),
        (((0, 0, 0), (255, 255, 255), (0, 0, 0)), "equal"),
        (((0, 0, 0), (1, 1, 1)), "equally light"),
        (((0, 0, 0), (255, 255, 256)), "0 to 255"),
    ],
)
def test_inks_that_do_not_suffice_are_rejected(inks: tuple[tuple[int, int, int], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        native.dither_picture(np.zeros((2, 2, 3), np.uint8), inks)


@pytest.mark.parametrize(
    ("picture", "error"),
    [
        ([[1, 2, 3]], TypeError),
        (np.zeros((2, 2, 3), np.float32), TypeError),
        (np.zeros((2, 2), np.uint8), ValueError),
        (np.zeros((0, 2, 3), np.uint8), ValueError),
        (np.zeros((2, 2, 4), np.uint8), ValueError),
    ],
)
def test_other_pictures_are_rejected(picture: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="a picture must"):
        native.dither_picture(picture, INKS["grey2"])  # type: ignore[arg-type]
