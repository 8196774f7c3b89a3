"""`python -m bench.system.kernels`: import rendering and load its kernels, and print the times as JSON."""

from __future__ import annotations

import sys
import time

import msgspec
from msgspec import Struct


class KernelLoad(Struct, frozen=True, kw_only=True):
    """The measured times.

    Attributes:
        import_s: Seconds to import rendering.
        seconds: Seconds to load the kernels, including numba itself.
        compiled: Kernels that were compiled, by numba's count of cache misses.
        kernels: Seconds by kernel name.
    """

    import_s: float
    seconds: float
    compiled: int
    kernels: dict[str, float]


def measure() -> KernelLoad:
    """Load everything, as a task does during its first claim."""
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
