"""Lanczos-3 weights of one axis, in integers.

Source: C. E. Duchon, "Lanczos Filtering in One and Two Dimensions", Journal of Applied Meteorology 18, 1979.
L(t) = sinc(t) sinc(t / 3) for |t| < 3, with sinc(t) = sin(pi t) / (pi t).
For a smaller picture the filter is stretched by the ratio, so that it passes only what the smaller picture can
represent; for a larger one it interpolates.

Weights are multiples of 1/unit that sum to exactly 1.
So flat areas stay exactly flat, and every sum of the resizer is an integer (`resampler.py` explains why).
Rounding also removes the last digits in which the sines of different machines differ.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from native.jit import Integer, helper

LOBES = 3
_LONG = 128
"""Number of taps beyond which the rounding error of a weight is carried to the next one. With fewer taps the largest
weight absorbs all rounding errors. The sum of the rounding errors of hundreds of taps would exceed this weight."""


@helper
def axis_weights(
    start: float, length: float, available: Integer, wanted: Integer, unit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Compute the source pixels and weights of each output pixel of one axis.

    Pixel i covers [i, i + 1).
    Near the edge of the picture the weights of the existing pixels are scaled up.
    A box may extend beyond the edge; an output pixel outside uses the weights at the edge.
    Half a pixel outside, the zeros of the filter coincide with all existing pixels, and scaled weights would grow
    without bound.

    Args:
        start: Begin of the box to show, in source pixels.
        length: Length of the box in source pixels.
        available: Number of source pixels.
        wanted: Number of output pixels.
        unit: Scale of the returned weights.

    Returns:
        (first pixel, number of pixels, weights times `unit`): int64 (wanted,), int64 (wanted,), float32
        (wanted, maximum of taps), padded with zeros.
    """
    ratio = length / wanted
    stretch = max(ratio, 1.0)
    reach = LOBES * stretch
    first = np.empty(wanted, np.int64)
    count = np.empty(wanted, np.int64)
    taps = math.ceil(2.0 * reach) + 1
    weights = np.zeros((wanted, taps), np.float32)
    exact = np.empty(taps, np.float64)
    # The addition theorem gives sin(pi t) and sin(pi t / 3) from tap to tap: four sines per pixel, not two per tap.
    step = math.pi / stretch
    sin_step, cos_step = math.sin(step), math.cos(step)
    sin_third, cos_third = math.sin(step / LOBES), math.cos(step / LOBES)
    for index in range(wanted):
        centre = min(max(start + (index + 0.5) * ratio, 0.0), float(available))
        begin = min(max(math.ceil(centre - reach - 0.5), 0), available - 1)
        end = max(min(math.floor(centre + reach - 0.5) + 1, available), begin + 1)
        number = min(end - begin, taps)
        angle = (begin + 0.5 - centre) * step
        sine, cosine = math.sin(angle), math.cos(angle)
        slow_sine, slow_cosine = math.sin(angle / LOBES), math.cos(angle / LOBES)
        total = 0.0
        for tap in range(number):
            if abs(angle) >= LOBES * math.pi:
                value = 0.0
            elif abs(angle) < 1e-6:
                value = 1.0
            else:
                value = LOBES * sine * slow_sine / (angle * angle)
            exact[tap] = value
            total += value
            angle += step
            sine, cosine = sine * cos_step + cosine * sin_step, cosine * cos_step - sine * sin_step
            slow_sine, slow_cosine = (
                slow_sine * cos_third + slow_cosine * sin_third,
                slow_cosine * cos_third - slow_sine * sin_third,
            )
        if total == 0.0:  # a single pixel exactly at the end of the filter
            exact[0], total = 1.0, 1.0
        rest = unit
        carried = 0.0
        largest = 0
        for tap in range(number):
            value = exact[tap] / total * unit + carried
            rounded = math.floor(value + 0.5)
            carried = value - rounded if number > _LONG else 0.0
            rest -= rounded
            weights[index, tap] = np.float32(rounded)
            if exact[tap] > exact[largest]:
                largest = tap
        weights[index, largest] += np.float32(rest)
        first[index], count[index] = begin, number
    return first, count, weights
