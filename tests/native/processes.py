"""Python subprocesses with this environment, except for numba's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from native import jit

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ABOUT_COMPILATION = "about compilation"
NO_SAMPLES = "SLIDESHOW_SAMPLES names no folder of photos"
"""Valid reasons to skip a test when compilation is disabled."""


def run(*command: str, timeout: float = 200, **variables: str) -> str:
    """Run Python with these arguments and return its output; exit code 0 is asserted.

    Compilation is disabled there only if it is disabled in this process.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    if not jit.COMPILES:
        environment["NUMBA_DISABLE_JIT"] = "1"
    ended = subprocess.run(
        [sys.executable, *command],
        env=environment | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:] + ended.stdout[-3000:]
    return ended.stdout


def digest_of(pictures: str, timeout: float = 200, **variables: str) -> str:
    """Return the digest that another process computes; `pictures` is the argument of `digest.py`."""
    return run(str(HERE / "digest.py"), pictures, timeout=timeout, PYTHONPATH=str(ROOT), **variables)


def environment_for(target: str) -> dict[str, str]:
    """Return the environment that makes numba compile for `target`, an LLVM name or "host".

    Skips the test if this processor cannot run such code.
    """
    from llvmlite import binding

    if target == "x86-64-v4" and not binding.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no AVX-512")
    if target == "host":
        features = binding.get_host_cpu_features().flatten()
        return {"NUMBA_CPU_NAME": binding.get_host_cpu_name(), "NUMBA_CPU_FEATURES": features}
    return {"NUMBA_CPU_NAME": target, "NUMBA_CPU_FEATURES": ""}
