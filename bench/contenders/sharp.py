"""The two Node contenders, both on sharp: the model's way, and the same library used as well as can be.

Their JavaScript lies in `node/`, with a lock file of its own; `make bench-rivals` installs it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.contenders.contender import Contender

NODE = Path(__file__).resolve().parent / "node"


def _missing() -> str:
    if shutil.which("node") is None:
        return "Node.js 20.9 or later, then `make bench-rivals`"
    installed = all((NODE / "node_modules" / name).is_dir() for name in ("sharp", "@material/material-color-utilities"))
    return "" if installed else "sharp and material-color-utilities for Node; `make bench-rivals`"


def _command(way: str) -> tuple[str, ...]:
    return ("node", str(NODE / "worker.mjs"), way)


MODEL = Contender(
    name="model",
    summary="Node: sharp with a decode for each picture, material-color-utilities 0.3.0",
    command=lambda: _command("model"),
    missing=_missing,
    colours=True,
)
TUNED = Contender(
    name="sharp-tuned",
    summary="Node: sharp with one decode shared as raw pixels, one thread, material-color-utilities 0.3.0",
    command=lambda: _command("tuned"),
    missing=_missing,
    colours=True,
)
