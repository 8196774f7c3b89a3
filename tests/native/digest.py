"""Program that prints a digest of the kernels' results; equal digests mean equal palettes.

Its argument is a number of seeded scenes, which are added to the degenerate pictures, or an .npz file of pixels.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import native
from tests.native.pictures_of_colours import Pixels, degenerate, scene


def digest(pictures: Iterable[Pixels]) -> str:
    total = hashlib.sha256()
    for pixels in pictures:
        for most in (16, 128):
            colours = native.quantize(pixels, most)
            total.update(repr((list(colours.items()), native.score(colours))).encode())
    return total.hexdigest()


def pictures(scenes: int) -> list[Pixels]:
    return [*degenerate().values(), *(scene(seed) for seed in range(scenes))]


def stored(file: Path) -> list[Pixels]:
    with np.load(file) as arrays:
        return [arrays[name] for name in sorted(arrays)]


if __name__ == "__main__":
    chosen = sys.argv[1]
    sys.stdout.write(digest(pictures(int(chosen)) if chosen.isdigit() else stored(Path(chosen))))
