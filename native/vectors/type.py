"""The types of several numbers that kernels handle as one, and the LLVM that vector operations are built of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

LANES = 8
BYTES = 16

FLOAT, BYTE, INT = ir.FloatType(), ir.IntType(8), ir.IntType(32)
FLOATS = ir.VectorType(FLOAT, LANES)
SUMS = ir.VectorType(INT, LANES)
PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)
SIXTEEN = ir.VectorType(BYTE, BYTES)
PLACE = types.int64

Generated = tuple[Any, Callable[..., Any]]


class _FloatVector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight float32")


@register_model(_FloatVector)
class _FloatVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, FLOATS)  # type: ignore[no-untyped-call]


class _SumVector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight int32")


@register_model(_SumVector)
class _SumVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, SUMS)  # type: ignore[no-untyped-call]


class _PairVector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight pairs of int16")


@register_model(_PairVector)
class _PairVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, PAIRS)  # type: ignore[no-untyped-call]


VECTOR = _FloatVector()
SUM_VECTOR = _SumVector()
PAIR_VECTOR = _PairVector()


def address(context: Any, builder: Any, array_type: Any, array: Any, place: Any, vector: Any) -> Any:
    """The address of `place` in a flat array, as that of a vector."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [place], inbounds=True), vector.as_pointer())


def constant(value: float) -> Any:
    """Eight times the same number."""
    return ir.Constant(FLOATS, [value] * LANES)


def everywhere(builder: Any, scalar: Any) -> Any:
    """A scalar in all eight lanes."""
    undefined = ir.Constant(FLOATS, ir.Undefined)
    return shuffle(builder, builder.insert_element(undefined, scalar, INT(0)), undefined, [0] * LANES)


def shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """The chosen lanes of two vectors, counted through."""
    mask = ir.Constant(ir.VectorType(INT, len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, mask)


def call(builder: Any, name: str, *vectors: Any) -> Any:
    """One of LLVM's own functions on eight floats."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * len(vectors))
    function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, kind, f"llvm.{name}.v{LANES}f32"
    )
    return builder.call(function, vectors)


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """N vectors of n lanes as their columns: lanes change places over distance 1, 2, 4, ... (n log n shuffles)."""
    size, step = len(rows), 1
    while step < size:
        low = [lane if not lane & step else size + (lane ^ step) for lane in range(size)]
        high = [lane ^ step if not lane & step else size + lane for lane in range(size)]
        mixed = list(rows)
        for place in range(size):
            if not place & step:
                pair = rows[place], rows[place + step]
                mixed[place] = shuffle(builder, *pair, low)
                mixed[place + step] = shuffle(builder, *pair, high)
        rows, step = mixed, step * 2
    return rows


def rounded(builder: Any, vector: Any, scale: Any) -> Any:
    """floor(vector x scale + 1/2)."""
    return call(builder, "floor", call(builder, "fma", vector, scale, constant(0.5)))
