"""Compile every kernel into the cache, ahead of time: `python -m native.warm_up [--quiet]`.

Prints for each kernel its types, the time, and whether it was compiled or loaded; `--quiet` prints only
when something went wrong. Ends with a colour that is quantized and scored, so that exit code 0 means that the
kernels run on this machine.
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
)
_PURE_RED = 0xFFFF0000


def warm_up() -> list[str]:
    """Load all kernels, compiling what the cache lacks; one line of text for each."""
    from native.jit import COMPILES, KERNELS

    for module in MODULES:
        import_module(module)
    if not COMPILES:
        return ["NUMBA_DISABLE_JIT is set: nothing is compiled"]
    return [
        f"{'compiled' if entry.compiled else 'loaded':8} {entry.seconds:7.3f} s  {entry.name}: {entry.signature}"
        for entry in KERNELS
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; answers its exit code: 1 if the kernels answer wrongly on this machine."""
    parser = argparse.ArgumentParser(prog="python -m native.warm_up", description="Compile the colour kernels.")
    parser.add_argument("--quiet", action="store_true", help="print nothing unless something is wrong")
    quiet: bool = parser.parse_args(arguments).quiet
    lines = warm_up()
    found = native.quantize(np.full((4, 3), (255, 0, 0), np.uint8))
    if found != {_PURE_RED: 4} or native.score(found) != [_PURE_RED]:
        sys.stderr.write(f"The colour kernels answer wrongly on this machine: four red pixels became {found}.\n")
        return 1
    if not quiet:
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
