"""The data folder of embedded mode: stored token, password and port, and a lock.

`secrets.json` is readable by its owner only.
Of two starts at the same time, the first one writes it, and both use it.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from contract.files import write_atomically
from contract.messages import DECODE_ERRORS


class StoredSecrets(Struct, kw_only=True):
    """The content of `secrets.json`. Port 0 means that no port is stored yet."""

    processor_token: str
    admin_password: str
    port: int = 0


class DataFolderError(Exception):
    """The data folder cannot be written. The message contains its path, the reason, and what to do."""


_FILE = "secrets.json"
# Without letters and digits that are mistaken for each other when they are typed from a screen.
_PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def load_secrets(data_folder: Path) -> StoredSecrets:
    """Return the secrets of a data folder. They are generated on the first call.

    Raises:
        ValueError: The file is damaged. The message contains its path.
        OSError: The file cannot be read or written.
    """
    data_folder.mkdir(parents=True, exist_ok=True)
    path = data_folder / _FILE
    if not path.exists():
        password = "-".join("".join(secrets.choice(_PASSWORD_LETTERS) for _ in range(5)) for _ in range(3))
        generated = StoredSecrets(processor_token=secrets.token_urlsafe(32), admin_password=password)
        write_atomically(path, msgspec.json.encode(generated), mode=0o600, overwrite=False)
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredSecrets)
    except DECODE_ERRORS as error:
        raise ValueError(f"{path} is damaged ({error}); remove it, and the next start generates a new one") from error


@contextlib.contextmanager
def explain_unwritable(data_folder: Path) -> Iterator[None]:
    """Turn errors of the file system into DataFolderError, except a lock that another process holds."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise DataFolderError(
            f"the data folder {data_folder} cannot be written: {error.strerror}; free space on its disk, make it "
            "writable, or select another folder with SLIDESHOW_DATA"
        ) from error


def save_port(data_folder: Path, port: int) -> None:
    """Store the port, so that frames find the same address after a restart."""
    stored = load_secrets(data_folder)
    if stored.port != port:
        stored.port = port
        write_atomically(data_folder / _FILE, msgspec.json.encode(stored), mode=0o600)


@contextlib.contextmanager
def lock_data_folder(data_folder: Path) -> Iterator[None]:
    """Lock the data folder for this process. The lock ends with the process, even after a crash.

    Raises:
        BlockingIOError: Another process holds the lock.
    """
    import fcntl

    with (data_folder / "backend.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def bind_socket(host: str, port: int, *, stored_port: int = 0) -> socket.socket:
    """Return a socket bound to `port`. With 0 it is the stored port if that is free, else any free port.

    Raises:
        OSError: The port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in [port] if port else [stored_port, 0]:
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, candidate))
        except OSError:
            bound.close()
            if port or not candidate:
                raise
            continue
        return bound
    raise AssertionError("unreachable: the last candidate binds or raises")
