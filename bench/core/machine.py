"""What a run ran on, and of what versions it was made."""

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
    """This machine, as /proc and Python describe it."""
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
    """The Python packages that decide speed, by name; a package that is not installed is left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> tuple[str, bool]:
    """(The commit of this checkout, shortened, and whether its files differ from it); ("unknown", True) without git."""
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
