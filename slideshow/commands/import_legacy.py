"""`slideshow import-model FILE`: import the database of the legacy system into the bucket and the database."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.client.local_data import explaining_errors, locked_data_folder, read_settings_of, with_data_folder
from slideshow.output import counted, show_progress

if TYPE_CHECKING:
    from backend.settings import Settings
    from slideshow.import_legacy.devices import ImportReport


@click.command("import-model")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_data_folder
@click.option("--dry-run", is_flag=True, help="Read and check everything, but write nothing.")
def import_legacy(file: Path, data: str | None, dry_run: bool) -> None:
    """Import the SQLite database FILE of the legacy slideshow system: devices, photos and their variants.

    It uses the same environment variables as "slideshow serve". The backend should be stopped. The bucket
    is the one of the legacy system. Records are added to it, and nothing in it is changed or removed, so
    the legacy system can be started again at any time. The import can be repeated: photos and devices that
    are already there stay as they are. Exit code 1 if something was left out.
    """
    if data is not None:
        Path(data).mkdir(parents=True, exist_ok=True)
    settings = read_settings_of(data)
    why = "a running backend does not read new records"
    lock = contextlib.nullcontext() if dry_run else locked_data_folder(settings, why)
    with lock, explaining_errors(f"{file} could not be imported"):
        report = asyncio.run(_import(file, settings, dry_run=dry_run))
    show_progress("")
    for sentence in report.left_out:
        click.echo(f"left out: {sentence}")
    click.echo(
        f"{'would import' if dry_run else 'imported'} {counted(report.devices, 'device')} and "
        f"{counted(report.images, 'photo')} with {counted(report.pictures, 'variant')}; "
        f"{report.known} already known, {len(report.left_out)} left out"
    )
    if report.copied:
        click.echo(f"{counted(report.copied, 'original')} copied, because the legacy name differs from ours")
    if report.left_out:
        sys.exit(1)


async def _import(file: Path, settings: Settings, *, dry_run: bool) -> ImportReport:
    """Write the records, then restore the database from them if it outlives the process."""
    from backend.durability.rebuild import restore
    from backend.durability.record_reader import THREADS
    from contract.bucket.open import open_bucket
    from slideshow.import_legacy.reader import read_legacy
    from slideshow.import_legacy.records import write_records

    legacy = read_legacy(file)
    bucket = open_bucket(settings.bucket, connections=THREADS)
    now = time.time()
    report = await asyncio.to_thread(write_records, bucket, legacy, now, show_progress, dry_run=dry_run)
    if dry_run or (not settings.embedded and not settings.database_url):
        return report  # on Cloud Run the service reads the records when it starts
    from backend.database import Database

    database = Database(settings.database)
    try:
        database.migrate()
        await restore(database, bucket, now, progress=show_progress)
    finally:
        database.close()
    return report
