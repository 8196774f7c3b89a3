"""`python -m bench report`: a run as one HTML page, and its summary as a picture."""

from __future__ import annotations

import os
from pathlib import Path

from bench.core.results import Run, UnreadableRun, load

PAGES = Path("build/bench-report")
"""Where pages are written unless told otherwise."""


def newest(folder: Path) -> Path:
    """The file of the run that began last. Tunings, which lie there as well, are no runs. Raises UnreadableRun."""
    found = [path for path in sorted(folder.glob("*.json")) if not path.name.startswith("tune-")]
    if not found:
        raise UnreadableRun(f"there is no run in {folder}: make one with `python -m bench run`, or name a file")
    return max(found, key=lambda path: (load(path).started, path.stat().st_mtime))


def page_for(run_file: Path) -> Path:
    """Where the page of a run's file lies."""
    return PAGES / f"{run_file.stem}.html"


def write_page(run: Run, path: Path) -> None:
    """Make the page at `path`; a reader never sees half of it. Raises OSError."""
    from bench.report.page import page

    text = page(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
