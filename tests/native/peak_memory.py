"""Program that quantizes the given number of random pixels, and prints the memory that this took.

`peak_mib` is the peak memory of the process above its memory with pixels and loaded kernels.
It is read from the kernel's high-water mark, which is reset before.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import native

STATUS = Path("/proc/self/status")


def mib(entry: str) -> float:
    return next(int(line.split()[1]) / 1024 for line in STATUS.read_text().splitlines() if line.startswith(entry))


if __name__ == "__main__":
    pixels = np.random.default_rng(1).integers(0, 256, (int(sys.argv[1]), 3), np.uint8)
    native.score(native.quantize(pixels[:9]))
    Path("/proc/self/clear_refs").write_text("5")
    before = mib("VmRSS")
    colours = native.quantize(pixels)
    peak = mib("VmHWM") - before
    json.dump({"counted": sum(colours.values()), "colours": len(colours), "peak_mib": peak}, sys.stdout)
