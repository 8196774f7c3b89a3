"""`python -m bench.system.kernels`: import rendering and load its kernels in this fresh process; times as JSON."""

from __future__ import annotations

import sys
import time

import msgspec
from msgspec import Struct


class KernelLoad(Struct, frozen=True, kw_only=True):
    """Seconds: to import rendering, to load the kernels (numba itself included), and of each kernel by its name.

    `compiled`: how many had to be compiled, as numba's own count of cache misses says.
    """

    import_s: float
    seconds: float
    compiled: int
    kernels: dict[str, float]


def measure() -> KernelLoad:
    """Load everything, as a task does beside its first claim."""
    begin = time.perf_counter()
    import processor.render.pipeline  # noqa: F401

    imported = time.perf_counter()
    from processor.render.palette import load_kernels

    load_kernels()
    loaded = time.perf_counter()
    from native.jit import KERNELS

    return KernelLoad(
        import_s=imported - begin,
        seconds=loaded - imported,
        compiled=sum(kernel.compiled for kernel in KERNELS),
        kernels={kernel.name: kernel.seconds for kernel in KERNELS},
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure()))
