"""Vectors of eight float32 or sixteen bytes, as LLVM instructions that kernels call like functions.

The compiler does not vectorise a resampler by itself, because its inner loop runs over only a few weights.
Explicit vectors are fifteen times as fast (1920 x 1080 from 2016 x 1512 pixels: 6 instead of 89 ms of CPU).
LLVM maps a vector to one AVX2 register, or to two of NEON or SSE2.

Bounds are not checked here; the wrappers of the kernels validate sizes first.
`plain.py` defines in numpy what each function does.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from native.vectors.type import FLOATS, INDEX, LANES, VECTOR, Generated, address, call, constant, everywhere, transposed


@intrinsic
def zero(_: Any) -> Generated:
    """Return eight zeros."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return constant(0.0)

    return VECTOR(), generate


@intrinsic
def splat(_: Any, value: Any) -> Generated:
    """Return eight times the same float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return everywhere(builder, arguments[0])

    return VECTOR(types.float32), generate


@intrinsic
def load(_: Any, array: Any, index: Any) -> Generated:
    """Load eight float32 from a flat array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, array, arguments[0], arguments[1], FLOATS), align=4)

    return VECTOR(array, INDEX), generate


@intrinsic
def store(_: Any, array: Any, index: Any, vector: Any) -> Generated:
    """Store eight float32 in a flat array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], address(context, builder, array, arguments[0], arguments[1], FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(array, INDEX, VECTOR), generate


@intrinsic
def multiply_add(_: Any, first: Any, second: Any, third: Any) -> Generated:
    """Return `first` x `second` + `third`, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "fma", *arguments)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


@intrinsic
def transpose_floats(_: Any, source: Any, first: Any, stride: Any, target: Any, start: Any, step: Any) -> Generated:
    """Transpose eight rows of eight float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, stride_, target_, start_, step_ = arguments
        rows = []
        for row in range(LANES):
            index = builder.add(first_, builder.mul(stride_, stride_.type(row)))
            rows.append(builder.load(address(context, builder, source, source_, index, FLOATS), align=4))
        for column, vector in enumerate(transposed(builder, rows)):
            index = builder.add(start_, builder.mul(step_, step_.type(column)))
            builder.store(vector, address(context, builder, target, target_, index, FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(source, INDEX, INDEX, target, INDEX, INDEX), generate
