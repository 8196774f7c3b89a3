"""Vector types of kernels, and the LLVM building blocks of vector operations."""

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
INDEX = types.int64

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


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Return the address of element `index` of a flat array, as a pointer to a vector."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index], inbounds=True), vector.as_pointer())


def constant(value: float) -> Any:
    """Return a constant vector of eight times the same number."""
    return ir.Constant(FLOATS, [value] * LANES)


def everywhere(builder: Any, scalar: Any) -> Any:
    """Return a vector with a scalar in all eight lanes."""
    undefined = ir.Constant(FLOATS, ir.Undefined)
    return shuffle(builder, builder.insert_element(undefined, scalar, INT(0)), undefined, [0] * LANES)


def shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """Return the selected lanes of two vectors; lanes of `second` are numbered after those of `first`."""
    mask = ir.Constant(ir.VectorType(INT, len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, mask)


def call(builder: Any, name: str, *vectors: Any) -> Any:
    """Call an LLVM intrinsic on vectors of eight floats."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * len(vectors))
    function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, kind, f"llvm.{name}.v{LANES}f32"
    )
    return builder.call(function, vectors)


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose n vectors of n lanes by exchanging lanes over distances 1, 2, 4, ... (n log n shuffles)."""
    size, step = len(rows), 1
    while step < size:
        low = [lane if not lane & step else size + (lane ^ step) for lane in range(size)]
        high = [lane ^ step if not lane & step else size + lane for lane in range(size)]
        mixed = list(rows)
        for index in range(size):
            if not index & step:
                pair = rows[index], rows[index + step]
                mixed[index] = shuffle(builder, *pair, low)
                mixed[index + step] = shuffle(builder, *pair, high)
        rows, step = mixed, step * 2
    return rows


def rounded(builder: Any, vector: Any, scale: Any) -> Any:
    """Return floor(vector x scale + 1/2)."""
    return call(builder, "floor", call(builder, "fma", vector, scale, constant(0.5)))
