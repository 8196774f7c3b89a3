"""`slideshow rebuild`: the database made again out of the bucket, and what `verify` shares with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.errors import CommandFailed
from slideshow.formatting import counted

if TYPE_CHECKING:
    from backend.settings import Settings

# Neither is used by these commands: they talk to nobody but the bucket and the database.
_UNUSED = {"PROCESSOR_AUTH_TOKEN": "unused", "ADMIN_PASSWORD": "unused"}


def settings_of(data: str | None) -> Settings:
    """The backend's settings, as `slideshow serve` would read them. Raises CommandFailed naming each fault."""
    from backend.settings import SettingsError, read_settings

    environ = {**os.environ, **_UNUSED}
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        raise CommandFailed(str(error)) from error
    if settings.embedded and not settings.data_folder.is_dir():
        raise CommandFailed(f"there is no data folder {settings.data_folder}; name it with --data")
    return settings


@contextlib.contextmanager
def folder_held(settings: Settings, why: str) -> Iterator[None]:
    """Keep a backend from starting in the data folder. Raises CommandFailed if one works there."""
    from backend.embedded import lock_data_folder

    if not settings.embedded:
        yield
        return
    try:
        with lock_data_folder(settings.data_folder):
            yield
    except BlockingIOError:
        raise CommandFailed(f"a backend works in {settings.data_folder}; stop it first: {why}") from None


def backend_works(settings: Settings) -> bool:
    """Whether a backend may be at work on this database at this moment; where nobody can tell, it may."""
    if not settings.embedded:
        return True
    try:
        with folder_held(settings, "nothing is changed"):
            return False
    except CommandFailed:
        return True


def tell(sentence: str) -> None:
    """Show progress, where somebody looks."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{sentence}", nl=False, err=True)


@click.command()
@click.option("--data", metavar="DIR", help="Data folder, in place of SLIDESHOW_DATA or of .slideshow.")
@click.option(
    "--replace", is_flag=True, help="Even where there is a database; an SQLite file is kept under another name."
)
def rebuild(data: str | None, replace: bool) -> None:
    """Make the whole database again out of the bucket alone, where one was lost.

    Set up by the same environment variables as "slideshow serve", whose backend must not be running. Photos,
    colours, pictures, devices with their tokens, failures and deletions come back; logins do not.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from backend.durability.record_reader import UnreadableRecord
    from contract import object_names
    from contract.bucket.port import BucketError

    settings = settings_of(data)
    if not settings.durable:
        raise CommandFailed(
            "this database lives and ends with its backend (DATABASE_DURABLE=no): stop that, remove "
            f"{object_names.SNAPSHOT} from the bucket, and its next start makes the database again"
        )
    with folder_held(settings, "the database is about to be replaced"):
        try:
            kept = _make_room(settings, replace=replace)
            if kept is not None:
                click.echo(f"the former database is kept as {kept}", err=True)
            lines = asyncio.run(_rebuild(settings, replace=replace))
        except (BucketError, SQLAlchemyError, UnreadableRecord, OSError, ValueError) as error:
            raise CommandFailed(f"the database could not be made again: {error}") from error
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    for line in lines:
        click.echo(line)


def file_of(settings: Settings) -> Path | None:
    """The file of a SQLite database, or None for another one."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _make_room(settings: Settings, *, replace: bool) -> Path | None:
    """Put a database file aside, since it may be damaged; where it is now."""
    file = file_of(settings)
    if file is None or not file.exists():
        return None
    if not replace:
        raise CommandFailed(f"there is a database, {file}; --replace puts it aside and makes a new one")
    kept = file.with_name(f"{file.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            file.with_name(file.name + ending).rename(kept.with_name(kept.name + ending))
    return kept


async def _rebuild(settings: Settings, *, replace: bool) -> list[str]:
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
            raise CommandFailed("the database is not empty; --replace empties it and makes it again")
        await database.write(record_import.clear)
        sync = SidecarSync(database, bucket, f"rebuild-{os.getpid()}")
        report = await rebuild_database(database, bucket, sync, original_reader(settings, bucket), time.time(), tell)
    finally:
        database.close()
    lines = [
        f"{counted(report.images, 'photo')}, {counted(report.variants, 'picture')}, "
        f"{counted(report.devices, 'device')}, {counted(report.deleted, 'deleted photo')}"
    ]
    if report.imported_originals:
        lines.append(f"{counted(report.imported_originals, 'original')} had no record and will be rendered")
    if report.imported_sidecars:
        lines.append(f"{counted(report.imported_sidecars, 'sidecar')} told of pictures that no record knew")
    lines += [f"left alone, since it cannot be understood: {name}" for name in report.unreadable]
    return lines
