"""Which files are meant by the paths that a person gave."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slideshow.formatting import counted

IMAGE_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}
    | {".svg", ".pdf", ".bmp", ".psd", ".jxl", ".jp2"}
)
"""A file named like this is meant as a picture: it is sent even if it is none, so that its owner hears why."""

_FIRST_BYTES = 1024


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """`files` in a stable order; `skipped` counts files of folders that are no pictures.

    `unreadable` holds a sentence for each folder or file that could not be looked into; `hidden` counts the hidden
    files and folders that were left out.
    """

    files: tuple[Path, ...]
    skipped: int = 0
    unreadable: tuple[str, ...] = ()
    hidden: int = 0

    @property
    def skipped_sentence(self) -> str:
        return (
            "1 file is no picture and is skipped"
            if self.skipped == 1
            else f"{self.skipped} files are no pictures and are skipped"
        )


def find_photos(paths: Iterable[Path], *, recurse: bool = True) -> FoundPhotos:
    """The files named in `paths`, and those in its folders that look like pictures by name or first bytes.

    Folders are searched through unless `recurse` is off; hidden files and folders are left out there.
    Links are followed, and a folder reached twice is searched once. A file given twice counts once.
    Raises FileNotFoundError for a path that is not there, ValueError for one that is neither file nor folder.
    """
    files: dict[str, Path] = {}
    skipped: set[str] = set()
    unreadable: list[str] = []
    hidden: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path.is_dir():
            for file in _files_below(path, recurse, seen, unreadable, hidden):
                meant = is_meant_as_picture(file, unreadable)
                if meant:
                    files.setdefault(os.path.abspath(file), file)
                elif meant is False:
                    skipped.add(os.path.abspath(file))
        elif path.is_file():
            files.setdefault(os.path.abspath(path), path)
        elif path.exists():
            raise ValueError(f"{path} is neither a file nor a folder")
        else:
            raise FileNotFoundError(f"{path} does not exist")
    return FoundPhotos(tuple(files.values()), len(skipped - files.keys()), tuple(unreadable), len(hidden))


def no_photos_sentence(paths: Sequence[Path], found: FoundPhotos, *, output: Path | None = None) -> str:
    """That there are none, and what was left out; `output` is an own folder whose pictures were not counted."""
    left_out = []
    if found.files and output is not None:
        left_out.append(f"{counted(len(found.files), 'picture')} in the output folder {output}")
    if found.hidden:
        left_out.append("1 hidden file or folder" if found.hidden == 1 else f"{found.hidden} hidden files or folders")
    return f"no photos in {', '.join(map(str, paths))}{'; left out: ' if left_out else ''}{' and '.join(left_out)}."


def is_meant_as_picture(file: Path, unreadable: list[str]) -> bool | None:
    """Whether the file has a picture's name or a picture's first bytes; None, and a sentence, if it cannot be read."""
    from processor.render.file_types import container_of

    if file.suffix.lower() in IMAGE_EXTENSIONS:
        return True
    try:
        with file.open("rb") as opened:
            return container_of(opened.read(_FIRST_BYTES)) is not None
    except OSError as error:
        unreadable.append(f"{file} cannot be read: {error.strerror or error}")
        return None


def _files_below(
    top: Path, recurse: bool, seen: set[tuple[int, int]], unreadable: list[str], hidden: list[Path]
) -> Iterator[Path]:
    """Plain files of a folder in the order of their names, and then those of its folders."""
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
        for name in names:
            path = folder / name
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
                yield path
        if recurse:
            waiting.extend(reversed(below))
