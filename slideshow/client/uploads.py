"""Concurrent upload of files to a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from slideshow.client.http import Client
from slideshow.errors import RequestRejected, Unreachable

UPLOAD_CONCURRENCY = 4
_SESSION_ENDED = (401, 403)


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """The outcome of an upload.

    Attributes:
        path: The file.
        image_id: The id of its image, or None for a rejected file.
        duplicate: The backend already had the photo.
        rejected: Why the file was rejected, or None.
        system_error: The system failed, so the file itself may be fine.
    """

    path: Path
    image_id: str | None = None
    duplicate: bool = False
    rejected: str | None = None
    system_error: bool = False


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
    pool = ThreadPoolExecutor(UPLOAD_CONCURRENCY, "upload")
    try:
        waiting = {pool.submit(send_one, client, path): index for index, path in enumerate(files)}
        for future in as_completed(waiting):
            outcome = outcomes[waiting[future]] = future.result()
            rejected += outcome.rejected is not None
            if outcome.system_error:
                check_backend()
            progress(len(outcomes), rejected)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [outcomes[index] for index in range(len(files))]


def send_one(client: Client, path: Path) -> SentPhoto:
    """Upload one file.

    Raises:
        RequestRejected: The session has ended, so that every further upload would fail too.
    """
    try:
        image = client.upload(path)
    except OSError as error:
        return SentPhoto(path, rejected=f"{path.name}: cannot be read: {error.strerror or error}")
    except RequestRejected as rejection:
        if rejection.status in _SESSION_ENDED:
            raise
        return SentPhoto(path, rejected=rejection.message, system_error=rejection.status >= 500)
    except Unreachable as error:
        return SentPhoto(path, rejected=f"{path.name}: could not be sent: {error.message}", system_error=True)
    return SentPhoto(path, image_id=image.id, duplicate=image.duplicate)
