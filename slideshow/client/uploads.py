"""Concurrent upload of files to a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from contract.image_header.embedded_jpeg import embedded_photo
from contract.image_header.raw import FIRST_BYTES, may_be_raw, read_camera_raw
from slideshow.client.http import Client
from slideshow.errors import RequestRejected, Unreachable

UPLOAD_CONCURRENCY = 4
_SESSION_ENDED = (401, 403)
_TOO_LARGE = 413
_MAX_RAW_BYTES = 256 * 2**20
"""Larger files are not read into memory. Camera raw files have up to 150 MB."""


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """The outcome of an upload.

    Attributes:
        path: The file.
        image_id: The id of its image, or None for a rejected file.
        duplicate: The backend already had the photo.
        rejected: Why the file was rejected, or None.
        system_error: The system failed, so the file itself may be fine.
        too_large: The backend rejected the file for its size.
        embedded_jpeg: The JPEG that is embedded in the file was sent, because the camera raw file is too large.
    """

    path: Path
    image_id: str | None = None
    duplicate: bool = False
    rejected: str | None = None
    system_error: bool = False
    too_large: bool = False
    embedded_jpeg: bool = False


class _UploadLimit:
    """The smallest size that the backend has rejected as too large: larger camera raw files are not sent again."""

    def __init__(self) -> None:
        self._rejected: int | None = None

    def reject(self, size: int) -> None:
        self._rejected = size if self._rejected is None else min(size, self._rejected)

    def excludes(self, size: int) -> bool:
        return self._rejected is not None and size >= self._rejected


def send_all(
    client: Client,
    files: Sequence[Path],
    progress: Callable[[int, int], None],
    check_backend: Callable[[], None] = lambda: None,
) -> list[SentPhoto]:
    """Upload all files, each in its own request, and return the outcomes in the order of `files`.

    Args:
        client: A logged-in client.
        files: The files to upload.
        progress: Called after each file with the numbers of sent and rejected files.
        check_backend: Called after a system error; it may raise to cancel the remaining uploads.
    """
    outcomes: dict[int, SentPhoto] = {}
    rejected = 0
    limit = _UploadLimit()
    pool = ThreadPoolExecutor(UPLOAD_CONCURRENCY, "upload")
    try:
        waiting = {pool.submit(send_one, client, path, limit): index for index, path in enumerate(files)}
        for future in as_completed(waiting):
            outcome = outcomes[waiting[future]] = future.result()
            rejected += outcome.rejected is not None
            if outcome.system_error:
                check_backend()
            progress(len(outcomes), rejected)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [outcomes[index] for index in range(len(files))]


def send_one(client: Client, path: Path, limit: _UploadLimit | None = None) -> SentPhoto:
    """Upload one file. Of a camera raw file that is too large for the backend, upload the embedded JPEG.

    Raises:
        RequestRejected: The session has ended, so that every further upload would fail too.
    """
    limit = limit or _UploadLimit()
    try:
        size = path.stat().st_size
        if limit.excludes(size) and (jpeg := _jpeg_inside(path)) is not None:
            return _send(client, path, jpeg)
        sent = _send(client, path)
        if sent.too_large:
            limit.reject(size)
            if (jpeg := _jpeg_inside(path)) is not None:
                return _send(client, path, jpeg)
        return sent
    except OSError as error:
        return SentPhoto(path, rejected=f"{path.name}: cannot be read: {error.strerror or error}")


def _send(client: Client, path: Path, jpeg: bytes | None = None) -> SentPhoto:
    """Upload the file, or the JPEG that is embedded in it. Raises OSError, and RequestRejected as `send_one` does."""
    try:
        image = client.upload(path, jpeg)
    except RequestRejected as rejection:
        if rejection.status in _SESSION_ENDED:
            raise
        too_large = rejection.status == _TOO_LARGE
        return SentPhoto(
            path, rejected=rejection.message, system_error=rejection.status >= 500, too_large=too_large and jpeg is None
        )
    except Unreachable as error:
        return SentPhoto(path, rejected=f"{path.name}: could not be sent: {error.message}", system_error=True)
    return SentPhoto(path, image_id=image.id, duplicate=image.duplicate, embedded_jpeg=jpeg is not None)


def _jpeg_inside(path: Path) -> bytes | None:
    """Return the JPEG to send instead of a camera raw file; None for another file, or without a usable JPEG.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if not may_be_raw(file.read(FIRST_BYTES)) or path.stat().st_size > _MAX_RAW_BYTES:
            return None
        file.seek(0)
        data = file.read()
    raw = read_camera_raw(data)
    return embedded_photo(data, raw) if raw is not None and raw.is_usable else None
