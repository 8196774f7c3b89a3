"""Two contenders in Node.js with sharp: the legacy system's code (`model`), and an optimized one (`sharp-tuned`).

Their JavaScript is in `node/`, with its own lock file. `INSTALL` is the command that installs it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.contenders.contender import Contender

NODE = Path(__file__).resolve().parent / "node"
INSTALL = "npm ci --prefix bench/contenders/node"


def _missing() -> str:
    if shutil.which("node") is None:
        return f"Node.js 20.9 or later, then `{INSTALL}`"
    installed = all((NODE / "node_modules" / name).is_dir() for name in ("sharp", "@material/material-color-utilities"))
    return "" if installed else f"sharp and material-color-utilities for Node.js; `{INSTALL}`"


def _command(way: str) -> tuple[str, ...]:
    return ("node", str(NODE / "worker.mjs"), way)


MODEL = Contender(
    name="model",
    summary="the legacy system in Node.js: sharp with a decode for each variant, material-color-utilities 0.3.0",
    command=lambda: _command("model"),
    missing=_missing,
    colours=True,
)
TUNED = Contender(
    name="sharp-tuned",
    summary="Node.js: sharp with one decode shared as raw pixels, one thread, material-color-utilities 0.3.0",
    command=lambda: _command("tuned"),
    missing=_missing,
    colours=True,
)
