"""Uploading files to a backend, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from slideshow.client.http import Client
from slideshow.errors import RequestRejected, Unreachable

UPLOAD_CONCURRENCY = 4
_LOGIN_IS_OVER = (401, 403)


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """A file after its upload: the image it is, or why there is none.

    `fault` says that the refusal is the system's fault and not the file's.
    """

    path: Path
    image_id: str | None = None
    duplicate: bool = False
    refused: str | None = None
    fault: bool = False


def send_all(
    client: Client,
    files: Sequence[Path],
    done: Callable[[int, int], None],
    still_alive: Callable[[], None] = lambda: None,
) -> list[SentPhoto]:
    """Send every file, a few at a time, each in a request of its own; the outcomes in the files' order.

    `done(sent, refused)` and `still_alive()` are called after each; the latter may raise to give up.
    """
    outcomes: dict[int, SentPhoto] = {}
    refused = 0
    pool = ThreadPoolExecutor(UPLOAD_CONCURRENCY, "upload")
    try:
        waiting = {pool.submit(send_one, client, path): place for place, path in enumerate(files)}
        for future in as_completed(waiting):
            outcome = outcomes[waiting[future]] = future.result()
            refused += outcome.refused is not None
            if outcome.fault:
                still_alive()
            done(len(outcomes), refused)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [outcomes[place] for place in range(len(files))]


def send_one(client: Client, path: Path) -> SentPhoto:
    """Send one file. Raises Refused only where the login has ended: that would befall every file."""
    try:
        image = client.upload(path)
    except OSError as error:
        return SentPhoto(path, refused=f"{path.name}: cannot be read: {error.strerror or error}")
    except RequestRejected as refusal:
        if refusal.status in _LOGIN_IS_OVER:
            raise
        return SentPhoto(path, refused=refusal.message, fault=refusal.status >= 500)
    except Unreachable as error:
        return SentPhoto(path, refused=f"{path.name}: could not be sent: {error.message}", fault=True)
    return SentPhoto(path, image_id=image.id, duplicate=image.duplicate)
