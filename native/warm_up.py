"""Compile every kernel into the cache ahead of time: `python -m native.warm_up [--quiet]`.

Prints each kernel with its types, the time, and whether it was compiled or loaded; `--quiet` prints errors only.
At the end one colour is quantized and scored, so exit code 0 means that the kernels work on this machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import numpy as np

import native

MODULES = (
    *(f"native.colour.{name}" for name in ("histogram", "colour_table", "lab", "wu", "kmeans", "hct", "ranking")),
    *(f"native.resize.{name}" for name in ("resampler", "halving", "recolouring")),
    *(f"native.dither.{name}" for name in ("diffusion", "gamut")),
)
_PURE_RED = 0xFFFF0000


def warm_up() -> list[str]:
    """Load all kernels, and compile those that are not in the cache. Return one line of text for each."""
    from native.jit import COMPILES, KERNELS

    for module in MODULES:
        import_module(module)
    if not COMPILES:
        return ["NUMBA_DISABLE_JIT is set: compilation is disabled"]
    return [
        f"{'compiled' if entry.compiled else 'loaded':8} {entry.seconds:7.3f} s  {entry.name}: {entry.signature}"
        for entry in KERNELS
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Return its exit code: 1 if the kernels compute wrong results on this machine."""
    parser = argparse.ArgumentParser(prog="python -m native.warm_up", description="Compile all kernels into the cache.")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    quiet: bool = parser.parse_args(arguments).quiet
    lines = warm_up()
    colours = native.quantize(np.full((4, 3), (255, 0, 0), np.uint8))
    if colours != {_PURE_RED: 4} or native.score(colours) != [_PURE_RED]:
        sys.stderr.write(f"the kernels compute wrong colours on this machine: four red pixels became {colours}\n")
        return 1
    if not quiet:
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
