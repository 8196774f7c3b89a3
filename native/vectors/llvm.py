"""Eight float32 or sixteen bytes at a time, as LLVM instructions that kernels call like functions.

Left to itself the compiler does not vectorise a resampler: its inner loop runs over a handful of weights. Said
outright, it is fifteen times as fast (1920 x 1080 from 2016 x 1512: 6 instead of 89 ms of CPU). LLVM turns
these vectors into what the target has: one AVX2 register, or two of NEON or SSE2.

Bounds are not checked here: the kernels' wrappers check sizes before any pixel.
`vectors_plain.py` says in numpy what each function does.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from native.vectors.type import FLOATS, LANES, PLACE, VECTOR, Generated, address, call, constant, everywhere, transposed


@intrinsic
def zero(_: Any) -> Generated:
    """Eight zeros."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return constant(0.0)

    return VECTOR(), generate


@intrinsic
def splat(_: Any, value: Any) -> Generated:
    """Eight times the same float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return everywhere(builder, arguments[0])

    return VECTOR(types.float32), generate


@intrinsic
def load(_: Any, array: Any, place: Any) -> Generated:
    """Eight float32 of a flat array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, array, arguments[0], arguments[1], FLOATS), align=4)

    return VECTOR(array, PLACE), generate


@intrinsic
def store(_: Any, array: Any, place: Any, vector: Any) -> Generated:
    """Eight float32 into a flat array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], address(context, builder, array, arguments[0], arguments[1], FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(array, PLACE, VECTOR), generate


@intrinsic
def multiply_add(_: Any, first: Any, second: Any, third: Any) -> Generated:
    """The first times the second plus the third, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "fma", *arguments)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


@intrinsic
def transpose_floats(_: Any, source: Any, first: Any, stride: Any, target: Any, start: Any, step: Any) -> Generated:
    """Eight rows of eight float32 as columns."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, stride_, target_, start_, step_ = arguments
        rows = []
        for row in range(LANES):
            place = builder.add(first_, builder.mul(stride_, stride_.type(row)))
            rows.append(builder.load(address(context, builder, source, source_, place, FLOATS), align=4))
        for column, vector in enumerate(transposed(builder, rows)):
            place = builder.add(start_, builder.mul(step_, step_.type(column)))
            builder.store(vector, address(context, builder, target, target_, place, FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(source, PLACE, PLACE, target, PLACE, PLACE), generate
