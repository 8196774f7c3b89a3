"""The tone curve: fits the range of a photo to the range between black and white of a panel.

Panels reflect little: the white of a Spectra 6 panel has the lightness of sRGB 180. The curve maps the range of the
photo's lightness, less the outermost half percent at both ends, to the panel's. Shadows and middle tones keep their
contrast; highlights are compressed. A straight line made all pictures dull, and no curve clips all highlights.

Lightness is the cube root of luminance, as in OKLab.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.dither.diffusion import GAIN_BITS, LUMINANCE_STEPS
from native.dither.oklab import LIGHT_UNIT

_OUTLIERS = 0.005
"""Share of pixels at both ends that do not extend the range."""
_HIGHEST_BLACK = 0.25
_LOWEST_WHITE = 0.8
"""Limits of the stretch, in lightness: a photo taken in fog or at night stays one."""
_SHADOW_CONTRAST = 1.15
"""Contrast of the darkest tones; the rest of the curve follows from it."""
_SATURATION = 1.12
"""Compensates that compressed tones look less colourful."""
_MAX_BRIGHTENING = 1.15

_LIGHTNESS = np.cbrt((np.arange(LUMINANCE_STEPS + 1) + 0.5) / LUMINANCE_STEPS)


def tone_curve(counts: NDArray[np.int64], black: int, white: int) -> NDArray[np.int32]:
    """Return the gains of each step of luminance.

    Args:
        counts: Number of pixels of each step.
        black: Luminance of the panel's black, in units of 2^-14.
        white: Luminance of the panel's white.

    Returns:
        int32 of shape (2, steps): the gain of luminance, without that of black, and of the distance from grey, in units
        of 2^-`GAIN_BITS`.
    """
    sums = np.cumsum(counts)
    dropped = int(sums[-1] * _OUTLIERS)
    darkest = int(np.searchsorted(sums, dropped, side="right"))
    lightest = int(np.searchsorted(sums, sums[-1] - dropped))
    low = min(float(np.cbrt(darkest / LUMINANCE_STEPS)), _HIGHEST_BLACK)
    high = max(float(np.cbrt(min(lightest + 1, LUMINANCE_STEPS) / LUMINANCE_STEPS)), _LOWEST_WHITE)
    panel_low, panel_high = float(np.cbrt(black / LIGHT_UNIT)), float(np.cbrt(white / LIGHT_UNIT))
    bend = max(0.0, _SHADOW_CONTRAST * (high - low) / (panel_high - panel_low) - 1)
    share = np.clip((_LIGHTNESS - low) / (high - low), 0, 1)
    target = panel_low + (panel_high - panel_low) * (1 + bend) * share / (1 + bend * share)
    luminance = (target**3 - black / LIGHT_UNIT) / _LIGHTNESS**3
    # OKLab chroma of a colour grows with the cube root of light, so these gains keep it.
    colour = _SATURATION * np.minimum(target / _LIGHTNESS, _MAX_BRIGHTENING) ** 2
    return np.asarray(np.rint(np.stack([luminance, colour]) * (1 << GAIN_BITS)), np.int32)
