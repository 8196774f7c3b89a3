"""`slideshow import-model FILE`: the model system's database becomes permanent records in the bucket, and rows."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.errors import CommandFailed
from slideshow.formatting import counted

if TYPE_CHECKING:
    from backend.settings import Settings
    from slideshow.import_legacy.devices import ImportReport


@click.command("import-model")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", metavar="DIR", help="Data folder, in place of SLIDESHOW_DATA or of .slideshow.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and write nothing.")
def import_model(file: Path, data: str | None, dry_run: bool) -> None:
    """Take over the model system's SQLite database FILE: devices, photos, and the pictures made of them.

    Set up by the same environment variables as "slideshow serve", whose backend should not be running. The bucket is
    the model system's own: nothing in it is changed or removed, only records are added, so the model system can go
    on at any time. May be repeated: what is known already stays as it is. Exit code 1 if something was left out.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from backend.durability.record_reader import UnreadableRecord
    from contract.bucket.port import BucketError
    from slideshow.commands.rebuild import folder_held, settings_of
    from slideshow.import_legacy.reader import ModelDatabaseError

    if data is not None:
        Path(data).mkdir(parents=True, exist_ok=True)
    settings = settings_of(data)
    with folder_held(settings, "it does not read records while it runs") if not dry_run else contextlib.nullcontext():
        try:
            report = asyncio.run(_take_over(file, settings, dry_run=dry_run))
        except (BucketError, SQLAlchemyError, UnreadableRecord, ModelDatabaseError, OSError) as error:
            raise CommandFailed(f"{file} could not be taken over: {error}") from error
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    for sentence in report.left_out:
        click.echo(f"left out: {sentence}")
    click.echo(
        f"{counted(report.devices, 'device')} and {counted(report.images, 'photo')} with "
        f"{counted(report.pictures, 'picture')} {'would be' if dry_run else 'were'} taken over; "
        f"{report.known} known already, {len(report.left_out)} left out"
    )
    if report.copied:
        click.echo(f"{counted(report.copied, 'original')} got a copy under the name that its content gives it")
    if report.left_out:
        sys.exit(1)


async def _take_over(file: Path, settings: Settings, *, dry_run: bool) -> ImportReport:
    """Records first; then the database, if it is one that outlives the process and so will not read them by itself."""
    from backend.durability.rebuild import restore
    from backend.durability.record_reader import THREADS
    from contract.bucket.open import open_bucket
    from slideshow.commands.rebuild import tell
    from slideshow.import_legacy.reader import read_model
    from slideshow.import_legacy.records import write_records

    model = read_model(file)
    bucket = open_bucket(settings.bucket, connections=THREADS)
    now = time.time()
    report = await asyncio.to_thread(write_records, bucket, model, now, tell, dry_run=dry_run)
    if dry_run or (not settings.embedded and not settings.database_url):
        return report  # on Cloud Run the starting service reads the records
    from backend.database import Database

    database = Database(settings.database)
    try:
        database.migrate()
        await restore(database, bucket, now, progress=tell)
    finally:
        database.close()
    return report
