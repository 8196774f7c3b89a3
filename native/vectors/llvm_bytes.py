"""Vectors of sixteen bytes: the operations that read and write pixels, as in `llvm.py`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from native.vectors.type import (
    BYTE,
    BYTES,
    INDEX,
    INT,
    LANES,
    SIXTEEN,
    VECTOR,
    Generated,
    address,
    call,
    constant,
    everywhere,
    rounded,
    shuffle,
    transposed,
)


@intrinsic
def store_bytes(_: Any, array: Any, index: Any, low: Any, high: Any, scale: Any) -> Generated:
    """Store two vectors times `scale`, rounded half up and clipped, as sixteen uint8."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, place_, *vectors, scale_ = arguments
        scales = everywhere(builder, scale_)
        rounded_lanes = []
        for vector in vectors:
            clipped = call(builder, "maxnum", rounded(builder, vector, scales), constant(0.0))
            clipped = call(builder, "minnum", clipped, constant(255.0))
            rounded_lanes.append(builder.fptosi(clipped, ir.VectorType(INT, LANES)))
        joined = builder.trunc(shuffle(builder, rounded_lanes[0], rounded_lanes[1], range(BYTES)), SIXTEEN)
        builder.store(joined, address(context, builder, array, array_, place_, SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(array, INDEX, VECTOR, VECTOR, types.float32), generate


@intrinsic
def transpose_bytes(_: Any, source: Any, first: Any, target: Any, start: Any, step: Any) -> Generated:
    """Transpose sixteen columns of sixteen uint8."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, target_, start_, step_ = arguments
        columns = []
        for column in range(BYTES):
            index = builder.add(first_, first_.type(BYTES * column))
            columns.append(builder.load(address(context, builder, source, source_, index, SIXTEEN), align=1))
        for row, vector in enumerate(transposed(builder, columns)):
            index = builder.add(start_, builder.mul(step_, step_.type(row)))
            builder.store(vector, address(context, builder, target, target_, index, SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(source, INDEX, target, INDEX, INDEX), generate


@intrinsic
def store_pixels(_: Any, source: Any, first: Any, target: Any, start: Any) -> Generated:
    """Interleave sixteen reds, greens and blues to sixteen RGB pixels."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, target_, start_ = arguments
        red, green, blue = (
            builder.load(
                address(context, builder, source, source_, builder.add(first_, first_.type(BYTES * colour)), SIXTEEN),
                align=1,
            )
            for colour in range(3)
        )
        for third in range(3):
            samples = range(BYTES * third, BYTES * (third + 1))
            mixed = shuffle(builder, red, green, [index // 3 + BYTES * (index % 3 == 1) for index in samples])
            lanes = [BYTES + index // 3 if index % 3 == 2 else lane for lane, index in enumerate(samples)]
            index = builder.add(start_, start_.type(BYTES * third))
            pixels = shuffle(builder, mixed, blue, lanes)
            builder.store(pixels, address(context, builder, target, target_, index, SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(source, INDEX, target, INDEX), generate


@intrinsic
def halve_four(_: Any, above: Any, first: Any, below: Any, second: Any, target: Any, start: Any) -> Generated:
    """Reduce four RGB pixels of two rows each to two pixels: the mean of each square."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above_, first_, below_, second_, target_, start_ = arguments
        wide, narrow = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(BYTE, LANES)
        lanes = [0, 1, 2, 6, 7, 8, 0, 0], [3, 4, 5, 9, 10, 11, 0, 0]  # left and right pixels of the squares
        total = ir.Constant(wide, [2] * LANES)
        for kind, array, index in ((above, above_, first_), (below, below_, second_)):
            pixels = builder.load(address(context, builder, kind, array, index, SIXTEEN), align=1)
            for chosen in lanes:
                total = builder.add(total, builder.zext(shuffle(builder, pixels, pixels, chosen), wide))
        mean = builder.trunc(builder.lshr(total, ir.Constant(wide, [2] * LANES)), narrow)
        builder.store(mean, address(context, builder, target, target_, start_, narrow), align=1)
        return context.get_dummy_value()

    return types.void(above, INDEX, below, INDEX, target, INDEX), generate
