"""Vector operations for kernels: compiled ones, or their plain twins where nothing is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native.jit import COMPILES

if TYPE_CHECKING or not COMPILES:
    from native.vectors_plain import (
        BYTES,
        LANES,
        halve_four,
        load,
        load_bytes,
        multiply_add,
        round_scaled,
        splat,
        store,
        store_bytes,
        store_pixels,
        transpose_bytes,
        transpose_floats,
        zero,
    )
else:
    from native.vectors_llvm import (
        BYTES,
        LANES,
        halve_four,
        load,
        load_bytes,
        multiply_add,
        round_scaled,
        splat,
        store,
        store_bytes,
        store_pixels,
        transpose_bytes,
        transpose_floats,
        zero,
    )

__all__ = [
    "BYTES",
    "LANES",
    "halve_four",
    "load",
    "load_bytes",
    "multiply_add",
    "round_scaled",
    "splat",
    "store",
    "store_bytes",
    "store_pixels",
    "transpose_bytes",
    "transpose_floats",
    "zero",
]
