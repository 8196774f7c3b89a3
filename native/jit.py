"""Compiler settings of this package: numba options and the target processor.

Every kernel is compiled with the same options:

- `cache`: a compiled kernel is loaded from a file by later processes (see `cache_folder.py`).
- `nogil`: threads run kernels in parallel.
- `error_model="numpy"`: divisions do not test for zero; kernels test where a divisor can be zero.
- No fastmath: with it, last digits and therefore palettes differed between processor types.
- No SVML: for the same reason, on machines where that library is installed.

Code is compiled for a fixed, portable target and not for the host, so that a cache from one machine, such as an image
build, is valid on the next.
On x86-64 the target is level v3 of the System V ABI supplement (AVX2, BMI, FMA: Haswell, Zen and later).
It was not measurably slower than the host's own target; with "generic" (SSE2) k-means took 2.35 ms instead of 1.34.
On 64-bit Arm, "generic" already has 128-bit SIMD.
A host that does not support the target compiles for itself and logs a warning.
Level v3 includes FMA, but LLVM fuses operations only on request, so results do not change; the tests verify that.
"""

from __future__ import annotations

import gc
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

_LOG = logging.getLogger(__name__)

X86_TARGET = "x86-64-v3"
ARM_TARGET = "generic"
# Features of the target beyond SSE2 that compilers use, by LLVM's names (System V ABI, x86-64 supplement, table 3.1).
X86_TARGET_FEATURES = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.2", "xsave")

# Integers in kernels: Python's or numpy's with 64 bits, which are the same once compiled.
Integer = int | np.int64

_Function = TypeVar("_Function", bound=Callable[..., Any])


def portable_target(machine: str, features: dict[str, bool]) -> str | None:
    """Return LLVM's name of the target to compile for, or None if the host must compile for itself.

    Args:
        machine: Value of `platform.machine()`.
        features: Features of the host as LLVM reports them.
    """
    name = machine.lower()
    if name in ("x86_64", "amd64"):
        return X86_TARGET if all(features.get(feature, False) for feature in X86_TARGET_FEATURES) else None
    return ARM_TARGET if name in ("aarch64", "arm64") else None


def _host_features() -> dict[str, bool]:
    from llvmlite import binding

    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:  # LLVM does not support the query on this system
        return {}


def _configure_numba() -> None:
    """Set numba's environment variables, which it reads during its import; existing values are not changed."""
    chosen = {"NUMBA_DISABLE_INTEL_SVML": "1", "NUMBA_CACHE_LOCATOR_CLASSES": "native.cache_folder.KernelFolder"}
    if "NUMBA_CPU_NAME" not in os.environ:
        target = portable_target(platform.machine(), _host_features())
        if target is None:
            _LOG.warning(
                "this processor does not support %s, the target of the compiled kernels; compiling for this "
                "processor instead (same results, but caches from other machines are not used)",
                X86_TARGET,
            )
        else:
            chosen["NUMBA_CPU_NAME"] = target
            chosen["NUMBA_CPU_FEATURES"] = ""
    for name, value in chosen.items():
        os.environ.setdefault(name, value)
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Switch the garbage collector off within the block, and keep it from examining the objects created there.

    Numba creates about a hundred thousand objects that live as long as the process.
    Collections that examine them over and over took a tenth of the start-up time.
    `gc.freeze` followed by `gc.unfreeze` moves all objects to the oldest generation without examining them.
    That generation is collected rarely.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:  # if several threads load kernels at once, only the first one restores the collector
            if gc.get_freeze_count() == 0:  # otherwise unfreeze would release objects that the program froze itself
                gc.freeze()
                gc.unfreeze()
            gc.enable()


_configure_numba()

with _garbage_collection_off():
    import numba
    from numba.core import config


@dataclass(frozen=True, slots=True)
class Kernel:
    """An entry point: the Python `function`, its `signature` in numba's notation, and the time to prepare it."""

    function: Callable[..., Any]
    signature: str
    compiled: bool  # False: loaded from the cache
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{self.function.__name__}"


KERNELS: list[Kernel] = []
COMPILES = not config.DISABLE_JIT  # type: ignore[attr-defined]  # set at run time


def kernel(signature: str) -> Callable[[_Function], _Function]:
    """Declare an entry point that Python calls; it is compiled or loaded at import, for this one signature.

    A call with other types raises TypeError instead of compiling at run time.
    """

    def compile_now(function: _Function) -> _Function:
        begin = time.perf_counter()
        with _garbage_collection_off():
            ready = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        missing = COMPILES and sum(ready.stats.cache_misses.values()) > 0
        KERNELS.append(Kernel(function, signature, missing, time.perf_counter() - begin))
        return cast(_Function, ready)

    return compile_now


def helper(function: _Function) -> _Function:
    """Declare a function that is compiled into the kernels that call it."""
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
