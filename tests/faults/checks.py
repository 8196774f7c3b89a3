"""Checks after a run: lost, stuck, duplicated or unexplained work, read from its database and bucket."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from backend.durability.verify.compare import Difference

_WATCH = (
    "CREATE TABLE IF NOT EXISTS chaos_completions (image_id TEXT NOT NULL)",
    """CREATE TRIGGER IF NOT EXISTS chaos_completed AFTER UPDATE OF processing_status ON images
       WHEN new.processing_status = 'complete' AND old.processing_status <> 'complete'
       BEGIN INSERT INTO chaos_completions VALUES (new.id); END""",
)


UNFINISHED = ("pending", "processing")


class CheckResult(Struct, frozen=True, kw_only=True):
    """Errors that the checks found, one text each.

    Attributes:
        lost: Acknowledged photos that are missing, or complete without all variants.
        stuck: Photos that are neither complete nor failed.
        twice: Photos that became complete more than once.
        failed: Good photos that failed.
        unexplained: Damaged photos that did not fail, or failed without a reason.
        differences: Differences between bucket and database.
    """

    lost: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if no check found an error."""
        return not (self.lost or self.stuck or self.twice or self.failed or self.unexplained or self.differences)

    def line(self) -> str:
        """Return the numbers of errors in one line."""
        return (
            f"{len(self.lost)} lost, {len(self.stuck)} stuck, {len(self.twice)} twice, {len(self.failed)} good ones "
            f"failed, {len(self.unexplained)} bad ones without a reason, {len(self.differences)} differences"
        )

    def details(self) -> Iterator[str]:
        """Yield a line for each error."""
        for field in ("lost", "stuck", "twice", "failed", "unexplained", "differences"):
            for error in getattr(self, field):
                yield f"{field}: {error}"


def rows(database: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        return connection.execute(statement).fetchall()


def watch_completions(database: Path) -> None:
    """Install a trigger that records each time an image becomes complete."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        for statement in _WATCH:
            connection.execute(statement)


def run_checks(data: Path, good: set[str], bad: set[str], devices: int, *, fleeting: bool = False) -> CheckResult:
    """Check the data of a backend that has ended.

    Args:
        data: Data folder of the backend.
        good: Acknowledged ids of good photos.
        bad: Acknowledged ids of damaged photos.
        devices: Number of variants of a complete photo.
        fleeting: The database was loaded again at each start, so completions cannot be counted.
    """
    database = data / "slideshow.db"
    photos = {
        image: (state, error)
        for image, state, error in rows(database, "SELECT id, processing_status, processing_error FROM images")
    }
    pictures: dict[str, int] = dict(rows(database, "SELECT image_id, count(*) FROM processed_images GROUP BY 1"))
    completed: dict[str, int] = {}
    if not fleeting:
        completed = dict(rows(database, "SELECT image_id, count(*) FROM chaos_completions GROUP BY 1"))
    lost = {image for image in good | bad if image not in photos}
    lost |= {
        image for image in good & photos.keys() if photos[image][0] == "complete" and pictures.get(image) != devices
    }
    return CheckResult(
        lost=tuple(sorted(lost)),
        stuck=tuple(
            f"{image} is {state}" for image, (state, _) in photos.items() if state in ("pending", "processing")
        ),
        twice=tuple(f"{image}, {times} times" for image, times in completed.items() if times > 1),
        failed=tuple(
            f"{image}: {photos[image][1]}" for image in sorted(good & photos.keys()) if photos[image][0] == "failed"
        ),
        unexplained=tuple(
            f"{image}: {photos[image]}"
            for image in sorted(bad & photos.keys())
            if photos[image][0] == "complete" or (photos[image][0] == "failed" and not photos[image][1])
        ),
        differences=tuple(f"{each.kind}: {each.subject} {each.detail}" for each in _differences(data)),
    )


def _differences(data: Path) -> list[Difference]:
    from backend.database import Database
    from backend.durability.verify.compare import compare
    from contract.bucket.open import open_bucket

    database = Database(f"sqlite:///{data / 'slideshow.db'}")
    try:
        return asyncio.run(compare(database, open_bucket((data / "bucket").as_uri(), connections=4)))
    finally:
        database.close()
