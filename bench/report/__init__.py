"""Make the report of a run: `python -m bench report` writes one HTML page, or its summary as a picture."""

from __future__ import annotations

import os
from pathlib import Path

from bench.core.results import Run, UnreadableRun, load

PAGES = Path("build/bench-report")
"""The default folder of pages."""


def newest(folder: Path, case: str = "") -> Path:
    """Return the file of the run that began last, of those that measured `case` if it is given.

    The folder also holds tunings, which are not runs. Raises UnreadableRun.
    """
    files = [path for path in sorted(folder.glob("*.json")) if not path.name.startswith("tune-")]
    runs = {path: load(path) for path in files}
    found = [path for path, run in runs.items() if not case or case in {one.case for one in run.cases}]
    if not found:
        missing = f"run of the case {case}" if case else "run"
        raise UnreadableRun(f"there is no {missing} in {folder}: make one with `python -m bench run`, or name a file")
    return max(found, key=lambda path: (runs[path].started, path.stat().st_mtime))


def page_for(run_file: Path) -> Path:
    """Return the path of the page of a run's file."""
    return PAGES / f"{run_file.stem}.html"


def write_page(run: Run, path: Path) -> None:
    """Write the page at `path`; a reader never sees half of it. Raises OSError."""
    from bench.report.page import page

    text = page(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
