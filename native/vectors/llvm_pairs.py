"""Vectors of int16 pairs whose products are summed.

One instruction computes sixteen products where the processor has it: x86's `pmaddwd`, which LLVM recognises in this
pattern, or two instructions of NEON.
That needs half as many loads as floats and is equally exact.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from native.vectors.type import (
    BYTES,
    FLOATS,
    INDEX,
    INT,
    LANES,
    PAIR_VECTOR,
    PAIRS,
    SIXTEEN,
    SUM_VECTOR,
    SUMS,
    VECTOR,
    Generated,
    address,
    everywhere,
    rounded,
    shuffle,
)


@intrinsic
def zero_sums(_: Any) -> Generated:
    """Return eight zeros."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(SUMS, [0] * LANES)

    return SUM_VECTOR(), generate


@intrinsic
def store_pairs(_: Any, source: Any, first: Any, second: Any, target: Any, start: Any) -> Generated:
    """Interleave sixteen uint8 from each of two positions, as int16."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, second_, target_, start_ = arguments
        low, high = (
            builder.load(address(context, builder, source, source_, index, SIXTEEN), align=1)
            for index in (first_, second_)
        )
        lanes = [lane for byte in range(BYTES) for lane in (byte, BYTES + byte)]
        both = ir.VectorType(ir.IntType(16), 2 * BYTES)
        interleaved = builder.zext(shuffle(builder, low, high, lanes), both)
        builder.store(interleaved, address(context, builder, target, target_, start_, both), align=2)
        return context.get_dummy_value()

    return types.void(source, INDEX, INDEX, target, INDEX), generate


@intrinsic
def splat_pair(_: Any, array: Any, index: Any) -> Generated:
    """Return eight times the same two int16 of a flat array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pair = builder.load(address(context, builder, array, arguments[0], arguments[1], INT), align=2)
        undefined = ir.Constant(SUMS, ir.Undefined)
        wide = shuffle(builder, builder.insert_element(undefined, pair, INT(0)), undefined, [0] * LANES)
        return builder.bitcast(wide, PAIRS)

    return PAIR_VECTOR(array, INDEX), generate


@intrinsic
def add_products(_: Any, array: Any, index: Any, factors: Any, sums: Any) -> Generated:
    """Add to each of eight sums the two products of a pair of int16 of a flat array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, place_, factors_, sums_ = arguments
        pairs = builder.load(address(context, builder, array, array_, place_, PAIRS), align=2)
        wide = ir.VectorType(INT, 2 * LANES)
        products = builder.mul(builder.sext(pairs, wide), builder.sext(factors_, wide))
        even, odd = (shuffle(builder, products, products, range(start, 2 * LANES, 2)) for start in (0, 1))
        return builder.add(sums_, builder.add(even, odd))

    return SUM_VECTOR(array, INDEX, PAIR_VECTOR, SUM_VECTOR), generate


@intrinsic
def round_sums(_: Any, sums: Any, scale: Any) -> Generated:
    """Return floor(sum x scale + 1/2) of eight sums, as float32; sums are below 2^24."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return rounded(builder, builder.sitofp(arguments[0], FLOATS), everywhere(builder, arguments[1]))

    return VECTOR(SUM_VECTOR, types.float32), generate
