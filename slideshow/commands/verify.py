"""`slideshow verify`: whether bucket and database say the same, asked on the machine where the database lies."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.commands.rebuild import backend_works, file_of, folder_held, settings_of, tell
from slideshow.errors import CommandFailed
from slideshow.formatting import counted
from slideshow.output import print_json

if TYPE_CHECKING:
    from backend.durability.verify.compare import Difference
    from backend.settings import Settings
    from contract.bucket.port import Bucket, ObjectInfo

SETTLED_SECONDS = 2.0
"""So much later a difference must be there still."""


@click.command()
@click.option("--data", metavar="DIR", help="Data folder, in place of SLIDESHOW_DATA or of .slideshow.")
@click.option("--repair", is_flag=True, help="Mend what can be mended; the backend must be stopped.")
@click.option("--deep", is_flag=True, help="Also read every original and picture whole, and check its content.")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as one JSON object.")
def verify(data: str | None, repair: bool, deep: bool, as_json: bool) -> None:
    """Compare the database with the files in the bucket, both ways, and name each difference. Exit code 1 if there
    is any.

    Set up by the same environment variables as "slideshow serve"; a database that ends with its backend is read from
    its latest snapshot and what was recorded since. The backend may run meanwhile: a difference counts then only if
    it is still there two seconds later. With --repair it must be stopped. Then the newer of a row and its record in
    the bucket wins, lost pictures are made again, and files that belong to nothing are removed.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from backend.durability.record_reader import UnreadableRecord
    from contract.bucket.port import BucketError

    settings = settings_of(data)
    file = file_of(settings)
    if not settings.durable and repair:
        raise CommandFailed(
            "this database lives and ends with its backend (DATABASE_DURABLE=no): only that can mend it"
        )
    if settings.durable and file is not None and not file.exists():
        raise CommandFailed(f'there is no database {file}; "slideshow rebuild" makes it out of the bucket')
    with folder_held(settings, "--repair changes the database") if repair else contextlib.nullcontext():
        try:
            found, left = asyncio.run(_verify(settings, repair=repair, deep=deep))
        except (BucketError, SQLAlchemyError, UnreadableRecord, OSError, ValueError) as error:
            raise CommandFailed(f"bucket and database could not be compared: {error}") from error
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    if as_json:
        print_json({"differences": found, "left": left} if repair else {"differences": found})
    else:
        for difference in found:
            mended = "" if not repair else " (left to you)" if difference in left else " (mended)"
            detail = f": {difference.detail}" if difference.detail else ""
            click.echo(f"{difference.kind}: {difference.subject}{detail}{mended}")
        click.echo(f"{counted(len(found), 'difference')}" + (f", {len(found) - len(left)} mended" if repair else ""))
    if left if repair else found:
        sys.exit(1)


async def _verify(settings: Settings, *, repair: bool, deep: bool) -> tuple[list[Difference], list[Difference]]:
    """What was found, and what of it could not be mended."""
    from sqlalchemy.engine import URL

    from backend.database import Database
    from backend.durability.rebuild import restore
    from backend.durability.record_reader import THREADS
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
            since = await load_database(
                database, bucket, settings, await asyncio.to_thread(_snapshot, bucket), time.time()
            )
        found = await compare(database, bucket)
        if found and not repair and backend_works(settings):  # it may have been in the middle of something
            await asyncio.sleep(SETTLED_SECONDS)
            if not settings.durable:
                await restore(database, bucket, time.time(), since=since)
            again = set(await compare(database, bucket))
            found = [difference for difference in found if difference in again]
        if deep:
            found += await check_content(database, bucket, tell)
        if not repair:
            return found, found
        left = await Repair(database, bucket, original_reader(settings, bucket), time.time()).repair(found)
        return found, left


def _snapshot(bucket: Bucket) -> tuple[bytes, ObjectInfo] | None:
    from contract import object_names
    from contract.bucket.port import ObjectNotFound

    try:
        return bucket.read(object_names.SNAPSHOT), bucket.stat(object_names.SNAPSHOT)
    except ObjectNotFound:
        return None
