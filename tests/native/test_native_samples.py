"""Same results for real photos in every process, thread and target; SLIDESHOW_SAMPLES names their folder."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pi_heif
import pytest
from PIL import Image, UnidentifiedImageError

import native
from native import jit
from tests.native.digest import digest, stored
from tests.native.pictures_of_colours import Pixels
from tests.native.processes import ABOUT_COMPILATION, NO_SAMPLES, digest_of, environment_for

SAMPLES = os.environ.get("SLIDESHOW_SAMPLES")
PROXY_SIDE = 256
SMALL = (32, 24)
pytestmark = [
    pytest.mark.server,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SAMPLES, reason=NO_SAMPLES),
    pytest.mark.skipif(not jit.COMPILES, reason=ABOUT_COMPILATION),
]


def of_photos(file: Path, size: tuple[int, int] | None = None) -> Path:
    """Write an .npz file with the pixels of each photo of the folder: in this size, or with a longest side of 256."""
    pi_heif.register_heif_opener()
    pixels = {}
    for path in sorted(Path(SAMPLES or "").iterdir()):
        try:
            with Image.open(path) as photo:
                photo.draft("RGB", (2 * PROXY_SIDE, 2 * PROXY_SIDE))
                small = photo.convert("RGB")
        except (UnidentifiedImageError, IsADirectoryError):  # the list of photos, or a folder
            continue
        small.thumbnail((PROXY_SIDE, PROXY_SIDE))
        pixels[path.name] = np.asarray(small.resize(size) if size else small).reshape(-1, 3)
    assert pixels
    np.savez(file, **pixels)
    return file


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_photos(tmp_path_factory.mktemp("copies") / "copies.npz")


@pytest.fixture(scope="module")
def pictures(copies: Path) -> list[Pixels]:
    return stored(copies)


@pytest.fixture(scope="module")
def expected(pictures: list[Pixels]) -> str:
    return digest(pictures)


def test_digests_of_ten_processes_are_equal(copies: Path, expected: str) -> None:
    assert {digest_of(str(copies)) for _ in range(10)} == {expected}


@pytest.mark.parametrize("target", ["host", "x86-64-v4"])
def test_digest_for_another_target_is_equal(target: str, copies: Path, tmp_path: Path, expected: str) -> None:
    environment = environment_for(target)
    assert digest_of(str(copies), timeout=390, NUMBA_CACHE_DIR=str(tmp_path), **environment) == expected


def results_of(pixels: Pixels) -> tuple[list[tuple[int, int]], list[int]]:
    colours = native.quantize(pixels)
    return list(colours.items()), native.score(colours)


@pytest.mark.parametrize("threads", range(1, 9))
def test_results_in_threads_are_equal(threads: int, pictures: list[Pixels]) -> None:
    sequential = [results_of(pixels) for pixels in pictures]
    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(results_of, pictures, timeout=300)) == sequential


def test_digest_of_small_photos_without_compilation_is_equal(tmp_path: Path) -> None:
    small = of_photos(tmp_path / "small.npz", SMALL)
    pictures = stored(small)
    assert {len(pixels) for pixels in pictures} == {SMALL[0] * SMALL[1]}
    assert digest_of(str(small), timeout=580, NUMBA_DISABLE_JIT="1") == digest(pictures)
