"""`slideshow verify`: compare bucket and database, on the machine that has the database."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.client.local_data import (
    backend_may_run,
    database_file,
    explaining_errors,
    locked_data_folder,
    read_settings_of,
    with_data_folder,
)
from slideshow.errors import CommandFailed
from slideshow.output import counted, print_json, show_progress

if TYPE_CHECKING:
    from backend.durability.verify.compare import Difference
    from backend.settings import Settings

SETTLE_SECONDS = 2.0
"""While a backend runs, a difference counts only if it is still there after this time."""


@click.command()
@with_data_folder
@click.option("--repair", is_flag=True, help="Fix the differences. The backend must be stopped.")
@click.option("--deep", is_flag=True, help="Also read every original and variant completely, and check its content.")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as one JSON object.")
def verify(data: str | None, repair: bool, deep: bool, as_json: bool) -> None:
    """Compare the database with the bucket in both directions, and list the differences.

    It uses the same environment variables as "slideshow serve". A database that exists only while its
    backend runs is read from its latest snapshot and the records after it. The backend may run: a
    difference then counts only if it is still there two seconds later.

    With --repair, the backend must be stopped. If a row and its record in the bucket differ, the newer
    one wins. Lost variants are rendered again, and files without a photo are removed.

    Exit code 1 if there are differences, or with --repair if some could not be fixed.
    """
    settings = read_settings_of(data)
    file = database_file(settings)
    if not settings.durable and repair:
        raise CommandFailed(
            "this database exists only while its backend runs (DATABASE_DURABLE=no); it cannot be repaired from here"
        )
    if settings.durable and file is not None and not file.exists():
        raise CommandFailed(f'there is no database {file}; "slideshow rebuild" creates it from the bucket')
    lock = locked_data_folder(settings, "--repair changes the database") if repair else contextlib.nullcontext()
    with lock, explaining_errors("bucket and database could not be compared"):
        differences, left = asyncio.run(_verify(settings, repair=repair, deep=deep))
    show_progress("")
    if as_json:
        print_json({"differences": differences, "left": left} if repair else {"differences": differences})
    else:
        for difference in differences:
            outcome = "" if not repair else " (not fixed)" if difference in left else " (fixed)"
            detail = f": {difference.detail}" if difference.detail else ""
            click.echo(f"{difference.kind}: {difference.subject}{detail}{outcome}")
        fixed = f", {len(differences) - len(left)} fixed" if repair else ""
        click.echo(counted(len(differences), "difference") + fixed)
    if left if repair else differences:
        sys.exit(1)


async def _verify(settings: Settings, *, repair: bool, deep: bool) -> tuple[list[Difference], list[Difference]]:
    """Return the differences, and those that are not repaired."""
    from sqlalchemy.engine import URL

    from backend.database import Database
    from backend.durability.rebuild import restore
    from backend.durability.record_reader import THREADS
    from backend.durability.snapshots import SnapshotLoader, open_own_bucket
    from backend.durability.verify.compare import compare
    from backend.durability.verify.content import check_content
    from backend.durability.verify.repair import Repair
    from backend.images.ingest import original_reader
    from backend.startup import load_database
    from contract.bucket.open import open_bucket

    bucket = open_bucket(settings.bucket, connections=THREADS)
    with contextlib.ExitStack() as stack:
        url: URL | str = settings.database
        if not settings.durable:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="slideshow-"))
            url = URL.create("sqlite", database=str(Path(folder) / "slideshow.db"))
        database = Database(url)
        stack.callback(database.close)
        database.migrate()
        since = 0.0
        if not settings.durable:
            own_bucket = open_own_bucket(settings.snapshot_bucket_url, bucket, 1)
            loader = SnapshotLoader(database, bucket, asyncio.to_thread, own_bucket)
            since = await load_database(database, bucket, settings, loader, time.time())
        differences = await compare(database, bucket)
        if differences and not repair and backend_may_run(settings):  # a change may have been in progress
            await asyncio.sleep(SETTLE_SECONDS)
            if not settings.durable:
                await restore(database, bucket, time.time(), since=since)
            remaining = set(await compare(database, bucket))
            differences = [difference for difference in differences if difference in remaining]
        if deep:
            differences += await check_content(database, bucket, show_progress)
        if not repair:
            return differences, differences
        left = await Repair(database, bucket, original_reader(settings, bucket), time.time()).repair(differences)
        return differences, left
