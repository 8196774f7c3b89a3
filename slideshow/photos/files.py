"""Search for the photos that a person named, and reading them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from contract.image_header.raw import EXTENSIONS as RAW_EXTENSIONS
from contract.machine import usable_cpus
from slideshow.output import counted

IMAGE_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}
    | RAW_EXTENSIONS
    | {".svg", ".pdf", ".bmp", ".psd", ".jxl", ".jp2"}
)
"""A file with one of these extensions counts as a photo. Unsupported formats are included, so that the renderer or the
backend can report why it rejects the file."""
MAX_FILE_MIB = 256
"""More than any photo has. The limit keeps other files, such as a disk image named .tif, out of memory."""
MAX_CONCURRENCY = 4
"""Photos in memory at a time, for any number of CPUs: a large one takes some hundred MB."""
_FIRST_BYTES = 1024
_JPEG_EXTENSIONS = (".jpg", ".jpeg", ".jpe")
SYSTEM_FOLDERS = frozenset(
    {"@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", ".@__thumb"}
    | {"$recycle.bin", "system volume information", "lost+found"}
)
"""Folders, in lower case, that a NAS (Synology, QNAP) or an operating system fills.

They contain thumbnails, snapshots and deleted files. Folders whose name begins with `.Trash-` count too.
"""
_TRASH = ".trash-"

Item = TypeVar("Item")
Result = TypeVar("Result")


class CannotRead(Exception):
    """A photo cannot be read. The message is a sentence that names the file."""


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """The result of a search.

    Attributes:
        files: The photos, in a stable order.
        skipped: The number of files in folders that are not images.
        unreadable: A sentence for each folder or file that could not be read.
        hidden: The number of hidden files and folders that were left out.
        system_folders: The number of folders that were left out because a NAS or an operating system fills them.
        raw_twins: The number of camera raw files that were left out because their JPEG is beside them.
    """

    files: tuple[Path, ...]
    skipped: int = 0
    unreadable: tuple[str, ...] = ()
    hidden: int = 0
    system_folders: int = 0
    raw_twins: int = 0

    def messages(self) -> Iterator[str]:
        """Yield a sentence for each problem, and one about skipped files."""
        yield from self.unreadable
        if self.skipped:
            yield f"skipped {counted(self.skipped, 'file')}: not an image"
        if self.system_folders:
            yield f"skipped {counted(self.system_folders, 'folder')} of thumbnails, snapshots or deleted files"
        if self.raw_twins:
            yield f"skipped {counted(self.raw_twins, 'camera raw file')}: a JPEG has the same name and folder"


def chosen_photos(paths: Sequence[Path], *, recurse: bool, output: Path | None = None) -> tuple[Path, ...]:
    """Return the photos that `paths` name, and print to stderr what was skipped.

    Args:
        paths: Files and folders.
        recurse: Search folders inside folders.
        output: A folder whose photos are left out, because an earlier run wrote them.

    Raises:
        click.UsageError: There is no photo, or a path does not exist.
    """
    try:
        found = find_photos(paths, recurse=recurse)
    except (FileNotFoundError, ValueError) as error:
        raise click.UsageError(f"{error}.") from error
    for message in found.messages():
        click.echo(message, err=True)
    files = tuple(
        file for file in found.files if output is None or not file.absolute().is_relative_to(output.absolute())
    )
    if files:
        return files
    left_out = []
    if found.files:
        left_out.append(f"{counted(len(found.files), 'image')} in the output folder {output}")
    if found.hidden:
        left_out.append("1 hidden file or folder" if found.hidden == 1 else f"{found.hidden} hidden files or folders")
    raise click.UsageError(
        f"no photos in {', '.join(map(str, paths))}{'; left out: ' if left_out else ''}{' and '.join(left_out)}."
    )


def find_photos(paths: Iterable[Path], *, recurse: bool = True) -> FoundPhotos:
    """Return the files named in `paths`, and the files in its folders that are images by extension or first bytes.

    Hidden files and folders inside folders are left out, and so are `SYSTEM_FOLDERS`. Symbolic links are followed; a
    folder that is reached twice is searched once. A file that is named twice counts once. A camera raw file with a
    JPEG of the same name in the same folder is the same photo, and is left out.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: A path is neither a file nor a folder.
    """
    files: dict[str, Path] = {}
    skipped: set[str] = set()
    unreadable: list[str] = []
    hidden: list[Path] = []
    system: list[Path] = []
    twins: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path.is_dir():
            for file in _files_below(path, recurse, seen, unreadable, hidden, system, twins):
                is_image = _is_image(file, unreadable)
                if is_image:
                    files.setdefault(os.path.abspath(file), file)
                elif is_image is False:
                    skipped.add(os.path.abspath(file))
        elif path.is_file():
            files.setdefault(os.path.abspath(path), path)
        elif path.exists():
            raise ValueError(f"{path} is neither a file nor a folder")
        else:
            raise FileNotFoundError(f"{path} does not exist")
    return FoundPhotos(
        tuple(files.values()), len(skipped - files.keys()), tuple(unreadable), len(hidden), len(system), len(twins)
    )


def _is_image(file: Path, unreadable: list[str]) -> bool | None:
    """Return True for an image by extension or first bytes; None, with a sentence added, if it cannot be read."""
    from contract.image_header.signatures import container_of

    if file.suffix.lower() in IMAGE_EXTENSIONS:
        return True
    try:
        with file.open("rb") as opened:
            return container_of(opened.read(_FIRST_BYTES)) is not None
    except OSError as error:
        unreadable.append(f"{file} cannot be read: {error.strerror or error}")
        return None


def _files_below(
    top: Path,
    recurse: bool,
    seen: set[tuple[int, int]],
    unreadable: list[str],
    hidden: list[Path],
    system: list[Path],
    twins: list[Path],
) -> Iterator[Path]:
    """Yield the regular files of a folder by name, then those of its subfolders."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            names = sorted(os.listdir(folder))
        except OSError as error:
            unreadable.append(f"{folder} cannot be searched: {error.strerror or error}")
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        below: list[Path] = []
        regular: list[Path] = []
        for name in names:
            path = folder / name
            if is_system_folder(name) and path.is_dir():
                system.append(path)
                continue
            if name.startswith("."):
                hidden.append(path)
                continue
            try:
                mode = path.stat().st_mode
            except OSError as error:
                unreadable.append(f"{path} cannot be read: {error.strerror or error}")
                continue
            if stat.S_ISDIR(mode):
                below.append(path)
            elif stat.S_ISREG(mode):
                regular.append(path)
        jpegs = {path.stem.casefold() for path in regular if path.suffix.lower() in _JPEG_EXTENSIONS}
        for path in regular:
            if path.suffix.lower() in RAW_EXTENSIONS and path.stem.casefold() in jpegs:
                twins.append(path)
            else:
                yield path
        if recurse:
            waiting.extend(reversed(below))


def is_system_folder(name: str) -> bool:
    """Return True for the name of a folder whose photos are copies or deleted."""
    folded = name.casefold()
    return folded in SYSTEM_FOLDERS or folded.startswith(_TRASH)


def printable(path: Path) -> str:
    """Return the path as valid text; bytes that are not UTF-8 are replaced."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_photo(file: Path) -> bytes:
    """Return the whole file.

    Raises:
        CannotRead: The file cannot be read, or is larger than `MAX_FILE_MIB`.
    """
    try:
        size = file.stat().st_size
        if size > MAX_FILE_MIB * 2**20:
            raise CannotRead(
                f"{printable(file)}: is too large ({size / 2**20:.0f} MiB); the limit is {MAX_FILE_MIB} MiB"
            )
        return file.read_bytes()
    except OSError as error:
        raise CannotRead(f"{printable(file)}: cannot be read: {error.strerror or error}") from error


def map_photos(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `work(item)` for all items, in their order, with up to `MAX_CONCURRENCY` at a time."""
    pool = ThreadPoolExecutor(min(usable_cpus(), MAX_CONCURRENCY), "photo")
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
