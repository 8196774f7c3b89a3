"""Sixteen bytes at a time: the operations of `vectors_llvm.py` that read and write pixels."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from native.vectors.type import (
    BYTE,
    BYTES,
    INT,
    LANES,
    PLACE,
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
def store_bytes(_: Any, array: Any, place: Any, low: Any, high: Any, scale: Any) -> Generated:
    """Two vectors times a scale, rounded half up, as sixteen uint8."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, place_, *vectors, scale_ = arguments
        scales = everywhere(builder, scale_)
        whole = []
        for vector in vectors:
            held = call(builder, "maxnum", rounded(builder, vector, scales), constant(0.0))
            held = call(builder, "minnum", held, constant(255.0))
            whole.append(builder.fptosi(held, ir.VectorType(INT, LANES)))
        joined = builder.trunc(shuffle(builder, whole[0], whole[1], range(BYTES)), SIXTEEN)
        builder.store(joined, address(context, builder, array, array_, place_, SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(array, PLACE, VECTOR, VECTOR, types.float32), generate


@intrinsic
def transpose_bytes(_: Any, source: Any, first: Any, target: Any, start: Any, step: Any) -> Generated:
    """Sixteen columns of sixteen uint8 as rows."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, target_, start_, step_ = arguments
        columns = []
        for column in range(BYTES):
            place = builder.add(first_, first_.type(BYTES * column))
            columns.append(builder.load(address(context, builder, source, source_, place, SIXTEEN), align=1))
        for row, vector in enumerate(transposed(builder, columns)):
            place = builder.add(start_, builder.mul(step_, step_.type(row)))
            builder.store(vector, address(context, builder, target, target_, place, SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(source, PLACE, target, PLACE, PLACE), generate


@intrinsic
def store_pixels(_: Any, source: Any, first: Any, target: Any, start: Any) -> Generated:
    """Sixteen reds, greens and blues as sixteen RGB pixels."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, target_, start_ = arguments
        red, green, blue = (
            builder.load(
                address(context, builder, source, source_, builder.add(first_, first_.type(BYTES * colour)), SIXTEEN),
                align=1,
            )
            for colour in range(3)
        )
        for part in range(3):
            samples = range(BYTES * part, BYTES * (part + 1))
            mixed = shuffle(builder, red, green, [place // 3 + BYTES * (place % 3 == 1) for place in samples])
            lanes = [BYTES + place // 3 if place % 3 == 2 else lane for lane, place in enumerate(samples)]
            place = builder.add(start_, start_.type(BYTES * part))
            pixels = shuffle(builder, mixed, blue, lanes)
            builder.store(pixels, address(context, builder, target, target_, place, SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(source, PLACE, target, PLACE), generate


@intrinsic
def halve_four(_: Any, above: Any, first: Any, below: Any, second: Any, target: Any, start: Any) -> Generated:
    """Four RGB pixels of two rows each as two: the mean of each square."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above_, first_, below_, second_, target_, start_ = arguments
        wide, narrow = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(BYTE, LANES)
        lanes = [0, 1, 2, 6, 7, 8, 0, 0], [3, 4, 5, 9, 10, 11, 0, 0]  # the left pixel of each square, the right one
        total = ir.Constant(wide, [2] * LANES)
        for kind, array, place in ((above, above_, first_), (below, below_, second_)):
            pixels = builder.load(address(context, builder, kind, array, place, SIXTEEN), align=1)
            for chosen in lanes:
                total = builder.add(total, builder.zext(shuffle(builder, pixels, pixels, chosen), wide))
        mean = builder.trunc(builder.lshr(total, ir.Constant(wide, [2] * LANES)), narrow)
        builder.store(mean, address(context, builder, target, target_, start_, narrow), align=1)
        return context.get_dummy_value()

    return types.void(above, PLACE, below, PLACE, target, PLACE), generate
