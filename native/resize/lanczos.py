"""Lanczos-3 weights of one axis, as whole numbers.

C. E. Duchon, "Lanczos Filtering in One and Two Dimensions", Journal of Applied Meteorology 18, 1979:
L(t) = sinc(t) sinc(t / 3) for |t| < 3, with sinc(t) = sin(pi t) / (pi t). Made smaller, the filter is stretched by the
ratio, so that it passes what the smaller picture can hold; enlarged, it interpolates.

Weights are multiples of 1/unit that sum to exactly 1, so that flat areas stay flat to the last digit and every sum
that the resizer makes is a whole number (`resampler.py` says why). That also levels the last digits in which one
machine's sine differs from another's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from native.jit import Whole, part

LOBES = 3
_LONG = 128
"""Taps, from which on a weight's rounding is made good by the next one; before, the largest takes all of it, and of
hundreds of them it would take more than it has itself."""


@part
def axis_weights(
    start: float, length: float, available: Whole, wanted: Whole, unit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """What each of `wanted` places takes from `available` pixels, of which [start, start + length) is to be shown.

    Returns (first pixel, how many pixels, weights times `unit`), int64 (wanted,), int64 (wanted,), float32
    (wanted, most taps), padded with zeros. Pixel i covers [i, i + 1). Near the picture's edge the weights of the pixels
    that exist are scaled up. A box may reach beyond it: a place outside takes what the picture's edge takes, since half
    a pixel out the filter has its zeros on all pixels that exist, and scaled weights would grow without bound.
    """
    ratio = length / wanted
    stretch = max(ratio, 1.0)
    reach = LOBES * stretch
    first = np.empty(wanted, np.int64)
    count = np.empty(wanted, np.int64)
    taps = math.ceil(2.0 * reach) + 1
    weights = np.zeros((wanted, taps), np.float32)
    exact = np.empty(taps, np.float64)
    # sin(pi t) and sin(pi t / 3) from tap to tap by the addition theorem: four sines a place instead of two a tap.
    step = math.pi / stretch
    sin_step, cos_step = math.sin(step), math.cos(step)
    sin_third, cos_third = math.sin(step / LOBES), math.cos(step / LOBES)
    for place in range(wanted):
        centre = min(max(start + (place + 0.5) * ratio, 0.0), float(available))
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
        if total == 0.0:  # one pixel, at the very end of the filter's reach
            exact[0], total = 1.0, 1.0
        rest = unit
        carried = 0.0
        largest = 0
        for tap in range(number):
            value = exact[tap] / total * unit + carried
            whole = math.floor(value + 0.5)
            carried = value - whole if number > _LONG else 0.0
            rest -= whole
            weights[place, tap] = np.float32(whole)
            if exact[tap] > exact[largest]:
                largest = tap
        weights[place, largest] += np.float32(rest)
        first[place], count[place] = begin, number
    return first, count, weights
