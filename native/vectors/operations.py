"""Vector operations for kernels: LLVM instructions, or their numpy twins if compilation is disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native.jit import COMPILES

if TYPE_CHECKING or not COMPILES:
    from native.vectors.plain import (
        BYTES,
        LANES,
        add_products,
        halve_four,
        load,
        multiply_add,
        round_sums,
        splat,
        splat_pair,
        store,
        store_bytes,
        store_pairs,
        store_pixels,
        transpose_bytes,
        transpose_floats,
        zero,
        zero_sums,
    )
else:
    from native.vectors.llvm import load, multiply_add, splat, store, transpose_floats, zero
    from native.vectors.llvm_bytes import halve_four, store_bytes, store_pixels, transpose_bytes
    from native.vectors.llvm_pairs import add_products, round_sums, splat_pair, store_pairs, zero_sums
    from native.vectors.type import BYTES, LANES

__all__ = [
    "BYTES",
    "LANES",
    "add_products",
    "halve_four",
    "load",
    "multiply_add",
    "round_sums",
    "splat",
    "splat_pair",
    "store",
    "store_bytes",
    "store_pairs",
    "store_pixels",
    "transpose_bytes",
    "transpose_floats",
    "zero",
    "zero_sums",
]
