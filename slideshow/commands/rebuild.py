"""`slideshow rebuild`: recreate the database from the bucket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.client.local_data import (
    database_file,
    explaining_errors,
    locked_data_folder,
    read_settings_of,
    with_data_folder,
)
from slideshow.errors import CommandFailed
from slideshow.output import counted, show_progress

if TYPE_CHECKING:
    from backend.settings import Settings


@click.command()
@with_data_folder
@click.option("--replace", is_flag=True, help="Replace an existing database. A SQLite file is renamed, not deleted.")
def rebuild(data: str | None, replace: bool) -> None:
    """Recreate the whole database from the bucket, after a database was lost.

    The command uses the same environment variables as "slideshow serve". The backend must be stopped. Photos,
    colours, variants, devices with their tokens, failures and deletions are restored. Sessions are lost.
    """
    from backend.durability.record_reader import read_devices_record
    from contract import object_names
    from contract.bucket.open import open_bucket

    settings = read_settings_of(data)
    if not settings.durable:
        raise CommandFailed(
            "this database exists only while its backend runs (DATABASE_DURABLE=no); stop the backend, remove "
            f"{object_names.SNAPSHOT} from the bucket, and start the backend, which then rebuilds the database"
        )
    with (
        locked_data_folder(settings, "the database is about to be replaced"),
        explaining_errors("the database could not be rebuilt"),
    ):
        read_devices_record(open_bucket(settings.bucket))  # if it is unreadable, the database must stay
        backup = _rename_database(settings, replace=replace)
        if backup is not None:
            click.echo(f"renamed the previous database to {backup}", err=True)
        lines = asyncio.run(_rebuild(settings, replace=replace))
    show_progress("")
    for line in lines:
        click.echo(line)


def _rename_database(settings: Settings, *, replace: bool) -> Path | None:
    """Rename a SQLite database, because it may be damaged, and return its new path."""
    file = database_file(settings)
    if file is None or not file.exists():
        return None
    if not replace:
        raise CommandFailed(f"there already is a database, {file}; --replace renames it and creates a new one")
    backup = file.with_name(f"{file.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            file.with_name(file.name + ending).rename(backup.with_name(backup.name + ending))
    return backup


async def _rebuild(settings: Settings, *, replace: bool) -> list[str]:
    """Rebuild the database, and return a report in lines of text."""
    from backend.database import Database, images, record_import
    from backend.durability.rebuild import rebuild as rebuild_database
    from backend.durability.record_reader import THREADS
    from backend.durability.sidecar_sync import SidecarSync
    from backend.images.ingest import original_reader
    from contract.bucket.open import open_bucket

    bucket = open_bucket(settings.bucket, connections=THREADS)
    database = Database(settings.database)
    try:
        database.migrate()
        counts = await database.read(images.counts)
        if not replace and any(counts.values()):
            raise CommandFailed("the database is not empty; --replace empties and rebuilds it")
        await database.write(record_import.clear)
        sync = SidecarSync(database, bucket, f"rebuild-{os.getpid()}")
        report = await rebuild_database(
            database, bucket, sync, original_reader(settings, bucket), time.time(), show_progress
        )
    finally:
        database.close()
    lines = [
        f"restored {counted(report.images, 'photo')}, {counted(report.variants, 'variant')}, "
        f"{counted(report.devices, 'device')}, {counted(report.deleted, 'deleted photo')}"
    ]
    if report.imported_originals:
        lines.append(f"{counted(report.imported_originals, 'original')} had no record and will be rendered")
    if report.imported_sidecars:
        lines.append(f"imported {counted(report.imported_sidecars, 'sidecar')}, whose variants were in no record")
    lines += [f"skipped, because it cannot be read: {name}" for name in report.unreadable]
    return lines
