"""The one way in which this room compiles, and for which processor.

Every kernel is compiled with the same choices:

- `cache`: what was compiled once is loaded from a file afterwards (see `cache_folder.py`).
- `nogil`: threads run kernels side by side.
- `error_model="numpy"`: no test for a zero divisor at each division; kernels test where it can happen.
- no fastmath: it let each processor type have its own last digit, and so its own palette.
- no SVML: the same, where that library happens to be installed.

The processor: code for a fixed, portable target rather than for the host, so that what one machine compiled
(an image build, say) is found valid by the next. On x86-64 that is the level v3 of the System V ABI
supplement (AVX2, BMI, FMA: Haswell, Zen and later). Against the host's own target it cost nothing that could
be measured; with "generic" (SSE2) k-means took 2.35 ms instead of 1.34. On 64-bit Arm "generic" already
has 128-bit SIMD. A host that lacks the target compiles for itself, with a line in the log.
FMA is in v3 but LLVM fuses nothing unless it is told to, so it changes no result; the tests compare.
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
# What the target has beyond SSE2 and compilers use, in LLVM's names (System V ABI, x86-64 supplement, table 3.1).
X86_TARGET_FEATURES = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.2", "xsave")

# Whole numbers in kernels: Python's own or 64 bits of numpy's, which compiled are the same.
Whole = int | np.int64

_Function = TypeVar("_Function", bound=Callable[..., Any])


def portable_target(machine: str, features: dict[str, bool]) -> str | None:
    """LLVM's name of the target to compile for, or None where the host has to compile for itself.

    `machine` as `platform.machine()` says it, `features` as LLVM reports the host's.
    """
    name = machine.lower()
    if name in ("x86_64", "amd64"):
        return X86_TARGET if all(features.get(feature, False) for feature in X86_TARGET_FEATURES) else None
    return ARM_TARGET if name in ("aarch64", "arm64") else None


def _host_features() -> dict[str, bool]:
    from llvmlite import binding

    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:  # LLVM cannot tell on this system
        return {}


def _settle() -> None:
    """Numba reads its settings from the environment as it is imported; what somebody has set there stays."""
    chosen = {"NUMBA_DISABLE_INTEL_SVML": "1", "NUMBA_CACHE_LOCATOR_CLASSES": "native.cache_folder.KernelFolder"}
    if "NUMBA_CPU_NAME" not in os.environ:
        target = portable_target(platform.machine(), _host_features())
        if target is None:
            _LOG.warning(
                "This processor is not of the kind that the colour kernels are compiled for (%s); they are "
                "compiled for this one alone. Results are the same, a cache from elsewhere is not used.",
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
def _no_garbage() -> Iterator[None]:
    """Spare the collector a while in which next to nothing becomes garbage.

    Numba makes some hundred thousand objects that stay. Looking them through time and again took a tenth of a
    start; so they join the oldest generation unexamined, as frozen objects do when they are let go.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:  # of several threads that load at once the one that found it so
            if gc.get_freeze_count() == 0:  # what the program itself has frozen stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


_settle()

with _no_garbage():
    import numba
    from numba.core import config


@dataclass(frozen=True, slots=True)
class Kernel:
    """An entry point: `function` as written, `signature` in numba's notation, and what making it ready took."""

    function: Callable[..., Any]
    signature: str
    compiled: bool  # rather than loaded from the cache
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{self.function.__name__}"


KERNELS: list[Kernel] = []
COMPILES = not config.DISABLE_JIT  # type: ignore[attr-defined]  # set at run time


def kernel(signature: str) -> Callable[[_Function], _Function]:
    """An entry point, called from Python: compiled (or loaded) at import for this one signature.

    Other types are refused with a TypeError rather than compiled in the middle of the work.
    """

    def compile_now(function: _Function) -> _Function:
        begin = time.perf_counter()
        with _no_garbage():
            ready = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        missing = COMPILES and sum(ready.stats.cache_misses.values()) > 0
        KERNELS.append(Kernel(function, signature, missing, time.perf_counter() - begin))
        return cast(_Function, ready)

    return compile_now


def part(function: _Function) -> _Function:
    """A piece of a kernel: compiled into the kernels that call it."""
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
