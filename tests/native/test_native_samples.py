"""The same answers for real photos, wherever and however often they are asked; SLIDESHOW_SAMPLES names a folder."""

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
from tests.native.processes import ABOUT_COMPILATION, NO_SAMPLES, digest_of, told_of_target

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
    """An .npz file with the pixels of each photo of the folder: in this size, or with a longest side of 256."""
    pi_heif.register_heif_opener()
    found = {}
    for path in sorted(Path(SAMPLES or "").iterdir()):
        try:
            with Image.open(path) as photo:
                photo.draft("RGB", (2 * PROXY_SIDE, 2 * PROXY_SIDE))
                small = photo.convert("RGB")
        except (UnidentifiedImageError, IsADirectoryError):  # a list, a folder
            continue
        small.thumbnail((PROXY_SIDE, PROXY_SIDE))
        found[path.name] = np.asarray(small.resize(size) if size else small).reshape(-1, 3)
    assert found
    np.savez(file, **found)
    return file


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_photos(tmp_path_factory.mktemp("proxies") / "proxies.npz")


@pytest.fixture(scope="module")
def pictures(proxies: Path) -> list[Pixels]:
    return stored(proxies)


@pytest.fixture(scope="module")
def expected(pictures: list[Pixels]) -> str:
    return digest(pictures)


def test_ten_processes_agree(proxies: Path, expected: str) -> None:
    assert {digest_of(str(proxies)) for _ in range(10)} == {expected}


@pytest.mark.parametrize("target", ["host", "x86-64-v4"])
def test_another_target_agrees(target: str, proxies: Path, tmp_path: Path, expected: str) -> None:
    told = told_of_target(target)
    assert digest_of(str(proxies), timeout=390, NUMBA_CACHE_DIR=str(tmp_path), **told) == expected


def answers_of(pixels: Pixels) -> tuple[list[tuple[int, int]], list[int]]:
    found = native.quantize(pixels)
    return list(found.items()), native.score(found)


@pytest.mark.parametrize("threads", range(1, 9))
def test_threads_at_once_agree(threads: int, pictures: list[Pixels]) -> None:
    alone = [answers_of(pixels) for pixels in pictures]
    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(answers_of, pictures, timeout=300)) == alone


def test_without_compilation_small_proxies_agree(tmp_path: Path) -> None:
    small = of_photos(tmp_path / "small.npz", SMALL)
    pictures = stored(small)
    assert {len(pixels) for pixels in pictures} == {SMALL[0] * SMALL[1]}
    assert digest_of(str(small), timeout=580, NUMBA_DISABLE_JIT="1") == digest(pictures)
