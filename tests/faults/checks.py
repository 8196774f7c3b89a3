"""What a broken run has to answer for, read out of its database and its bucket."""

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


class Verdict(Struct, frozen=True, kw_only=True):
    """Each in photos, but for `differences`, which are sentences; `failed` are those of good photos."""

    lost: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether there is nothing to answer for."""
        return not (self.lost or self.stuck or self.twice or self.failed or self.unexplained or self.differences)

    def words(self) -> str:
        """One line."""
        return (
            f"{len(self.lost)} lost, {len(self.stuck)} stuck, {len(self.twice)} twice, {len(self.failed)} good ones "
            f"failed, {len(self.unexplained)} bad ones without a reason, {len(self.differences)} differences"
        )

    def details(self) -> Iterator[str]:
        """A line for each fault."""
        for field in ("lost", "stuck", "twice", "failed", "unexplained", "differences"):
            for one in getattr(self, field):
                yield f"{field}: {one}"


def rows(database: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a statement answers."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        return connection.execute(statement).fetchall()


def watch_completions(database: Path) -> None:
    """Have the database itself note each time that an image becomes complete."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        for statement in _WATCH:
            connection.execute(statement)


def judge(data: Path, good: set[str], bad: set[str], devices: int) -> Verdict:
    """The verdict over a backend that has ended; `good` and `bad` are the ids that were acknowledged to uploads."""
    database = data / "slideshow.db"
    found = {
        image: (state, error)
        for image, state, error in rows(database, "SELECT id, processing_status, processing_error FROM images")
    }
    pictures: dict[str, int] = dict(rows(database, "SELECT image_id, count(*) FROM processed_images GROUP BY 1"))
    completed: dict[str, int] = dict(rows(database, "SELECT image_id, count(*) FROM chaos_completions GROUP BY 1"))
    lost = {image for image in good | bad if image not in found}
    lost |= {image for image in good & found.keys() if found[image][0] == "complete" and pictures.get(image) != devices}
    return Verdict(
        lost=tuple(sorted(lost)),
        stuck=tuple(f"{image} is {state}" for image, (state, _) in found.items() if state in ("pending", "processing")),
        twice=tuple(f"{image}, {times} times" for image, times in completed.items() if times > 1),
        failed=tuple(
            f"{image}: {found[image][1]}" for image in sorted(good & found.keys()) if found[image][0] == "failed"
        ),
        unexplained=tuple(
            f"{image}: {found[image]}"
            for image in sorted(bad & found.keys())
            if found[image][0] == "complete" or (found[image][0] == "failed" and not found[image][1])
        ),
        differences=tuple(f"{one.kind}: {one.subject} {one.detail}" for one in _differences(data)),
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
