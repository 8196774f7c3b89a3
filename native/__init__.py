"""Compiled kernels with numpy arrays as input, and numpy arrays or plain values as output.

`quantize` and `score` find colours, `resize` and `halve` scale pictures, `recolour` applies a colour profile,
`dither_picture` reduces a picture to the inks of an e-paper panel.
Nothing else is called from outside this package.
All functions are deterministic.
The same input gives the same result on every run, thread and processor type, and without compilation.
All release the interpreter's lock while they work.

Importing numba takes a third of a second, and loading the kernels a little more.
The first call pays for both, not the import of this package.
`python -m native.warm_up` compiles all kernels ahead of time.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from native.dither.pictures import dither_picture, fit_picture
from native.resize.pictures import halve, recolour, resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["dither_picture", "fit_picture", "halve", "quantize", "recolour", "resize", "score"]

OPAQUE = 0xFF000000
GOOGLE_BLUE = 0xFF4285F4  # default of material-color-utilities
MAX_COLOURS = 256
# From this size on, one counter for each colour (64 MiB) takes less memory than 18 bytes per pixel.
MANY_PIXELS = 4_000_000
_CHUNK = 1 << 20
_PIXEL_LIMIT = 1 << 31  # counters have 32 bits


def quantize(rgb: NDArray[np.uint8], max_colors: int = 128) -> dict[int, int]:
    """Reduce pixels to at most `max_colors` colours, with the number of pixels that each colour represents.

    This is Celebi's method: Wu's boxes, then weighted k-means in Lab (`wu.py`, `kmeans.py`).
    It takes about 18 bytes of memory per pixel.
    For 4 million pixels and more it takes 64 MiB and 26 bytes for each distinct colour.

    Args:
        rgb: sRGB pixels, uint8 of shape (n, 3), n below 2^31, contiguous or not; not modified.
        max_colors: 1 to 256.

    Returns:
        ARGB colours and populations, most frequent first; on ties the smaller number first.
        The populations sum to n.

    Raises:
        TypeError: `rgb` is not an array of uint8, or `max_colors` is not an integer.
        ValueError: `rgb` has another shape, or `max_colors` is out of range.
    """
    if not isinstance(rgb, np.ndarray):
        raise TypeError(f"pixels must be a numpy array of uint8, not {type(rgb).__name__}")
    if rgb.dtype != np.uint8:
        raise TypeError(f"pixels must be uint8, 0 to 255, not {rgb.dtype}; convert them first")
    if rgb.ndim != 2 or rgb.shape[1] != 3:
        raise ValueError(f"pixels must have the shape (n, 3), not {rgb.shape}; use reshape(-1, 3) on a picture")
    limit = operator.index(max_colors)
    if not 1 <= limit <= MAX_COLOURS:
        raise ValueError(f"max_colors must be from 1 to {MAX_COLOURS}, not {limit}")
    if rgb.shape[0] >= _PIXEL_LIMIT:
        raise ValueError(f"{rgb.shape[0]} pixels exceed the limit of {_PIXEL_LIMIT - 1}; use a smaller copy")
    if rgb.shape[0] == 0:
        return {}
    from native.colour.kmeans import cluster
    from native.colour.wu import wu_centres

    keys, counts = _distinct(rgb)
    colours, populations = cluster(keys, counts, wu_centres(keys, counts, limit))
    merged: dict[int, int] = {}
    for colour, population in zip(colours.tolist(), populations.tolist(), strict=True):
        argb = OPAQUE | colour
        merged[argb] = merged.get(argb, 0) + population
    return dict(sorted(merged.items(), key=lambda entry: (-entry[1], entry[0])))


def score(histogram: Mapping[int, int], desired: int = 8, fallback: int = GOOGLE_BLUE) -> list[int]:
    """Return the colours of a histogram that suit best as the source of a theme, best first.

    The list equals that of materialyoucolor's `Score.score` with its filter on.

    Args:
        histogram: ARGB colours and their populations; on ties their order decides.
        desired: Maximum number of colours.
        fallback: Returned as the only colour if none of the histogram is colourful enough.

    Raises:
        ValueError: `desired` is below 1, or a population is negative.
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
    return [colours[index] for index in chosen.tolist()] or [fallback]


def _distinct(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    if rgb.shape[0] < MANY_PIXELS:
        from native.colour.histogram import distinct_colours

        return distinct_colours(np.ascontiguousarray(rgb))
    from native.colour.colour_table import COLOURS, colours_of, count_into

    table = np.zeros(COLOURS, np.uint32)
    for begin in range(0, rgb.shape[0], _CHUNK):
        count_into(np.ascontiguousarray(rgb[begin : begin + _CHUNK]), table)
    return colours_of(table)
