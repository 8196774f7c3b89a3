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
    from native.vector_type import BYTES, LANES
    from native.vectors_llvm import load, multiply_add, round_scaled, splat, store, transpose_floats, zero
    from native.vectors_llvm_bytes import halve_four, load_bytes, store_bytes, store_pixels, transpose_bytes

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
