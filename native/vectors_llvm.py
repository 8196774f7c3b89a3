"""Eight float32 or sixteen bytes at a time, as LLVM instructions that kernels call like functions.

Left to itself the compiler does not vectorise a resampler: its inner loop runs over a handful of weights. Said
outright, it is fifteen times as fast (1920 x 1080 from 2016 x 1512: 6 instead of 89 ms of CPU). LLVM turns
these vectors into what the target has: one AVX2 register, or two of NEON or SSE2.

Bounds are not checked here: the kernels' wrappers check sizes before any pixel.
`vectors_plain.py` says in numpy what each function does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 8
BYTES = 16

_FLOAT, _BYTE, _INT = ir.FloatType(), ir.IntType(8), ir.IntType(32)
_FLOATS = ir.VectorType(_FLOAT, LANES)
_SIXTEEN = ir.VectorType(_BYTE, BYTES)
_PLACE = types.int64

Generated = tuple[Any, Callable[..., Any]]


class _FloatVector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight float32")


@register_model(_FloatVector)
class _FloatVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, _FLOATS)  # type: ignore[no-untyped-call]


VECTOR = _FloatVector()


def _at(context: Any, builder: Any, array_type: Any, array: Any, place: Any, vector: Any) -> Any:
    """The address of `place` in a flat array, as that of a vector."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [place], inbounds=True), vector.as_pointer())


def _constant(value: float) -> Any:
    return ir.Constant(_FLOATS, [value] * LANES)


def _everywhere(builder: Any, scalar: Any) -> Any:
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    return _shuffle(builder, builder.insert_element(undefined, scalar, _INT(0)), undefined, [0] * LANES)


def _shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT, len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, mask)


def _call(builder: Any, name: str, *vectors: Any) -> Any:
    """One of LLVM's own functions on eight floats."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(vectors))
    function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, kind, f"llvm.{name}.v{LANES}f32"
    )
    return builder.call(function, vectors)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """n vectors of n lanes as their columns: lanes change places over distance 1, 2, 4, ... (n log n shuffles)."""
    size, step = len(rows), 1
    while step < size:
        low = [lane if not lane & step else size + (lane ^ step) for lane in range(size)]
        high = [lane ^ step if not lane & step else size + lane for lane in range(size)]
        mixed = list(rows)
        for place in range(size):
            if not place & step:
                pair = rows[place], rows[place + step]
                mixed[place] = _shuffle(builder, *pair, low)
                mixed[place + step] = _shuffle(builder, *pair, high)
        rows, step = mixed, step * 2
    return rows


@intrinsic
def zero(_: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _constant(0.0)

    return VECTOR(), generate


@intrinsic
def splat(_: Any, value: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _everywhere(builder, arguments[0])

    return VECTOR(types.float32), generate


@intrinsic
def load(_: Any, array: Any, place: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_at(context, builder, array, arguments[0], arguments[1], _FLOATS), align=4)

    return VECTOR(array, _PLACE), generate


@intrinsic
def load_bytes(_: Any, array: Any, place: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        eight = ir.VectorType(_BYTE, LANES)
        return builder.uitofp(
            builder.load(_at(context, builder, array, arguments[0], arguments[1], eight), align=1), _FLOATS
        )

    return VECTOR(array, _PLACE), generate


@intrinsic
def store(_: Any, array: Any, place: Any, vector: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _at(context, builder, array, arguments[0], arguments[1], _FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(array, _PLACE, VECTOR), generate


@intrinsic
def multiply_add(_: Any, first: Any, second: Any, third: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "fma", *arguments)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


def _rounded(builder: Any, vector: Any, scale: Any) -> Any:
    return _call(builder, "floor", _call(builder, "fma", vector, scale, _constant(0.5)))


@intrinsic
def round_scaled(_: Any, vector: Any, scale: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _rounded(builder, arguments[0], _everywhere(builder, arguments[1]))

    return VECTOR(VECTOR, types.float32), generate


@intrinsic
def transpose_floats(_: Any, source: Any, first: Any, stride: Any, target: Any, start: Any, step: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, stride_, target_, start_, step_ = arguments
        rows = []
        for row in range(LANES):
            place = builder.add(first_, builder.mul(stride_, stride_.type(row)))
            rows.append(builder.load(_at(context, builder, source, source_, place, _FLOATS), align=4))
        for column, vector in enumerate(_transposed(builder, rows)):
            place = builder.add(start_, builder.mul(step_, step_.type(column)))
            builder.store(vector, _at(context, builder, target, target_, place, _FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(source, _PLACE, _PLACE, target, _PLACE, _PLACE), generate


@intrinsic
def store_bytes(_: Any, array: Any, place: Any, low: Any, high: Any, scale: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, place_, *vectors, scale_ = arguments
        scales = _everywhere(builder, scale_)
        whole = []
        for vector in vectors:
            held = _call(builder, "maxnum", _rounded(builder, vector, scales), _constant(0.0))
            held = _call(builder, "minnum", held, _constant(255.0))
            whole.append(builder.fptosi(held, ir.VectorType(_INT, LANES)))
        joined = builder.trunc(_shuffle(builder, whole[0], whole[1], range(BYTES)), _SIXTEEN)
        builder.store(joined, _at(context, builder, array, array_, place_, _SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(array, _PLACE, VECTOR, VECTOR, types.float32), generate


@intrinsic
def transpose_bytes(_: Any, source: Any, first: Any, target: Any, start: Any, step: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, target_, start_, step_ = arguments
        columns = []
        for column in range(BYTES):
            place = builder.add(first_, first_.type(BYTES * column))
            columns.append(builder.load(_at(context, builder, source, source_, place, _SIXTEEN), align=1))
        for row, vector in enumerate(_transposed(builder, columns)):
            place = builder.add(start_, builder.mul(step_, step_.type(row)))
            builder.store(vector, _at(context, builder, target, target_, place, _SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(source, _PLACE, target, _PLACE, _PLACE), generate


@intrinsic
def store_pixels(_: Any, source: Any, first: Any, target: Any, start: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, first_, target_, start_ = arguments
        red, green, blue = (
            builder.load(
                _at(context, builder, source, source_, builder.add(first_, first_.type(BYTES * colour)), _SIXTEEN),
                align=1,
            )
            for colour in range(3)
        )
        for part in range(3):
            samples = range(BYTES * part, BYTES * (part + 1))
            mixed = _shuffle(builder, red, green, [place // 3 + BYTES * (place % 3 == 1) for place in samples])
            lanes = [BYTES + place // 3 if place % 3 == 2 else lane for lane, place in enumerate(samples)]
            place = builder.add(start_, start_.type(BYTES * part))
            pixels = _shuffle(builder, mixed, blue, lanes)
            builder.store(pixels, _at(context, builder, target, target_, place, _SIXTEEN), align=1)
        return context.get_dummy_value()

    return types.void(source, _PLACE, target, _PLACE), generate


@intrinsic
def halve_four(_: Any, above: Any, first: Any, below: Any, second: Any, target: Any, start: Any) -> Generated:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above_, first_, below_, second_, target_, start_ = arguments
        wide, narrow = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(_BYTE, LANES)
        lanes = [0, 1, 2, 6, 7, 8, 0, 0], [3, 4, 5, 9, 10, 11, 0, 0]  # the left pixel of each square, the right one
        total = ir.Constant(wide, [2] * LANES)
        for kind, array, place in ((above, above_, first_), (below, below_, second_)):
            pixels = builder.load(_at(context, builder, kind, array, place, _SIXTEEN), align=1)
            for chosen in lanes:
                total = builder.add(total, builder.zext(_shuffle(builder, pixels, pixels, chosen), wide))
        mean = builder.trunc(builder.lshr(total, ir.Constant(wide, [2] * LANES)), narrow)
        builder.store(mean, _at(context, builder, target, target_, start_, narrow), align=1)
        return context.get_dummy_value()

    return types.void(above, _PLACE, below, _PLACE, target, _PLACE), generate
