"""Slow and obvious twins of the kernels, with lists and dictionaries and without shortcuts."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]
Lab = tuple[int, int, int]


def count_colours(rgb: NDArray[np.uint8]) -> dict[Rgb, int]:
    return dict(Counter((int(r), int(g), int(b)) for r, g, b in rgb))


def rgb_of_key(key: int) -> Rgb:
    """Return the colour of a histogram key: five upper bits of each channel, then the three lower ones."""
    upper, lower = key >> 9, key & 511
    return (
        (upper >> 10) * 8 + (lower >> 6),
        (upper >> 5) % 32 * 8 + (lower >> 3) % 8,
        upper % 32 * 8 + lower % 8,
    )


def lab(rgb: Rgb) -> tuple[float, float, float]:
    """Return CIE 15 L*a*b* of an sRGB colour, D65, in floating point."""
    red, green, blue = (c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb)
    x = (0.41233895 * red + 0.35762064 * green + 0.18051042 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.01932141 * red + 0.11916382 * green + 0.95034478 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def wu_centres(counted: dict[Rgb, int], most: int) -> list[Rgb]:
    """Compute Wu's boxes as plain lists of colours, trying every cut of every axis."""

    def total(box: list[Rgb], channel: int) -> int:
        return sum(counted[colour] * colour[channel] for colour in box)

    def size(box: list[Rgb]) -> int:
        return sum(counted[colour] for colour in box)

    def weight(box: list[Rgb]) -> float:
        red, green, blue = (float(total(box, channel)) for channel in range(3))
        return (red * red + green * green + blue * blue) / float(size(box))

    def variance(box: list[Rgb]) -> float:
        if len({tuple(c >> 3 for c in colour) for colour in box}) == 1:
            return 0.0
        return float(sum(counted[c] * (c[0] ** 2 + c[1] ** 2 + c[2] ** 2) for c in box)) - weight(box)

    boxes, variances = [list(counted)], [variance(list(counted))]
    while len(boxes) < most and max(variances) > 0:
        chosen = variances.index(max(variances))
        best, parts = 0.0, None
        for channel in range(3):
            for last in range(32):
                low = [colour for colour in boxes[chosen] if colour[channel] >> 3 <= last]
                high = [colour for colour in boxes[chosen] if colour[channel] >> 3 > last]
                if low and high and weight(low) + weight(high) > best:
                    best, parts = weight(low) + weight(high), (low, high)
        assert parts is not None
        boxes[chosen], variances[chosen] = parts[0], variance(parts[0])
        boxes.append(parts[1])
        variances.append(variance(parts[1]))
    return [
        (
            math.floor(total(box, 0) / size(box) + 0.5),
            math.floor(total(box, 1) / size(box) + 0.5),
            math.floor(total(box, 2) / size(box) + 0.5),
        )
        for box in boxes
    ]


def distance(first: Lab, second: Lab) -> int:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


def nearest(point: Lab, centres: list[Lab]) -> int:
    distances = [distance(point, centre) for centre in centres]
    return distances.index(min(distances))


def cluster(points: list[Lab], counts: list[int], centres: list[Lab], steps: int) -> list[tuple[Lab, int]]:
    """Run k-means and compute every distance. Return (centre, population) of each cluster that is not empty.

    Lab is in steps of 1/`steps` unit. A point moves only if it gets more than 3 units nearer.
    """
    belongs = [nearest(point, centres) for point in points]
    for rounds in range(1, 11):
        sums = [[0, 0, 0, 0] for _ in centres]
        for point, count, own in zip(points, counts, belongs, strict=True):
            for axis in range(3):
                sums[own][axis] += count * point[axis]
            sums[own][3] += count
        centres = [
            ((2 * a + n) // (2 * n), (2 * b + n) // (2 * n), (2 * c + n) // (2 * n)) if n else (0, 0, 0)
            for a, b, c, n in sums
        ]
        if rounds == 10:
            break
        moved = False
        for i, point in enumerate(points):
            best = nearest(point, centres)
            own = distance(point, centres[belongs[i]])
            if math.sqrt(own) - math.sqrt(distance(point, centres[best])) > 3.0 * steps:
                belongs[i] = best
                moved = True
        if not moved:
            break
    return [(centre, total[3]) for centre, total in zip(centres, sums, strict=True) if total[3]]
