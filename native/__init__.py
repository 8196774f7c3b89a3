"""Compiled kernels: numpy in, numpy or plain values out.

`quantize` and `score` find colours, `resize` and `halve` make pictures smaller, `recolour` applies a profile; nothing
else is called from outside.
All are deterministic: the same input gives the same answer on every run, thread, processor type, and without
compilation. All release the interpreter's lock while they work.

Numba costs a third of a second to import and the kernels a little more to load, so the first call
pays for it and not the import of this package; `python -m native.warm_up` compiles ahead of time.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from native.resize.pictures import halve, recolour, resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["halve", "quantize", "recolour", "resize", "score"]

OPAQUE = 0xFF000000
GOOGLE_BLUE = 0xFF4285F4  # what material-color-utilities falls back to
MAX_COLOURS = 256
# From here on one counter for each colour (64 MiB) is less than 18 bytes a pixel.
MANY_PIXELS = 4_000_000
_CHUNK = 1 << 20
_PIXEL_LIMIT = 1 << 31  # a counter has 32 bits


def quantize(rgb: NDArray[np.uint8], max_colors: int = 128) -> dict[int, int]:
    """The colours that stand for `rgb`, as ARGB, and how many pixels each stands for.

    `rgb`: uint8 of shape (n, 3), sRGB, contiguous or not, n up to 2^31; read only. At most `max_colors`
    entries, 1 to 256, most frequent first, of equals the smaller number first; the populations sum to n.
    Celebi's method: Wu's boxes, then weighted k-means in Lab (`wu.py`, `kmeans.py`). Memory: about
    18 bytes a pixel, or for 4 million pixels and more 64 MiB and 26 bytes for each distinct colour.

    Raises TypeError if `rgb` is no array of uint8 or `max_colors` no whole number, ValueError for another
    shape or another number.
    """
    if not isinstance(rgb, np.ndarray):
        raise TypeError(f"pixels must be a numpy array of uint8, not {type(rgb).__name__}")
    if rgb.dtype != np.uint8:
        raise TypeError(f"pixels must be uint8, 0 to 255, not {rgb.dtype}; convert them first")
    if rgb.ndim != 2 or rgb.shape[1] != 3:
        raise ValueError(f"pixels must have the shape (n, 3), not {rgb.shape}; use reshape(-1, 3) on a picture")
    most = operator.index(max_colors)
    if not 1 <= most <= MAX_COLOURS:
        raise ValueError(f"max_colors must be from 1 to {MAX_COLOURS}, not {most}")
    if rgb.shape[0] >= _PIXEL_LIMIT:
        raise ValueError(f"{rgb.shape[0]} pixels are more than the limit of {_PIXEL_LIMIT - 1}; take a smaller copy")
    if rgb.shape[0] == 0:
        return {}
    from native.colour.kmeans import cluster
    from native.colour.wu import wu_centres

    keys, counts = _distinct(rgb)
    colours, populations = cluster(keys, counts, wu_centres(keys, counts, most))
    merged: dict[int, int] = {}
    for colour, population in zip(colours.tolist(), populations.tolist(), strict=True):
        argb = OPAQUE | colour
        merged[argb] = merged.get(argb, 0) + population
    return dict(sorted(merged.items(), key=lambda entry: (-entry[1], entry[0])))


def score(histogram: Mapping[int, int], desired: int = 8, fallback: int = GOOGLE_BLUE) -> list[int]:
    """The colours of `histogram` (ARGB to population) that themes are best made from, best first.

    At most `desired` (1 or more); `[fallback]` if none has enough colour. The same list as materialyoucolor's
    `Score.score` with its filter on; like there, the order of entries decides between equals.
    Raises ValueError for `desired` below 1 and for negative populations.
    """
    wanted = operator.index(desired)
    if wanted < 1:
        raise ValueError(f"desired must be at least 1, not {wanted}")
    if not histogram:
        return [fallback]
    from native.colour.ranking import rank

    colours = list(histogram)
    populations = np.fromiter(histogram.values(), np.int64, len(colours))
    if populations.min() < 0:
        raise ValueError("a population in the histogram is negative")
    chosen = rank(np.array(colours, np.int64), populations, wanted)
    return [colours[place] for place in chosen.tolist()] or [fallback]


def _distinct(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    if rgb.shape[0] < MANY_PIXELS:
        from native.colour.histogram import distinct_colours

        return distinct_colours(np.ascontiguousarray(rgb))
    from native.colour.colour_table import COLOURS, colours_of, count_into

    table = np.zeros(COLOURS, np.uint32)
    for begin in range(0, rgb.shape[0], _CHUNK):
        count_into(np.ascontiguousarray(rgb[begin : begin + _CHUNK]), table)
    return colours_of(table)
