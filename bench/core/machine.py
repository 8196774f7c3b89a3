"""The machine, the package versions and the commit of a run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.core.results import Machine

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "pyvips",
    "pyvips-binary",
    "simplejpeg",
    "imagecodecs",
    "pillow",
    "materialyoucolor",
)


def machine() -> Machine:
    """Return the machine, as described by /proc and Python."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        system=platform.platform(),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mb=round(memory / 1e6),
        python=platform.python_version(),
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of the installed packages that matter for speed."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def commit() -> tuple[str, bool]:
    """Return (short hash of the commit, True if tracked files are changed), or ("unknown", True) without git."""
    hash_ = _git("rev-parse", "--short=10", "HEAD")
    if hash_ is None:
        return "unknown", True
    return hash_.strip(), bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*arguments: str) -> str | None:
    try:
        ended = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None
