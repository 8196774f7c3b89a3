"""What embedded mode makes once and keeps in the data folder: token, password and port.

The file is readable by its owner only, and is written aside and renamed, so that two starts
at once agree on one content.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from contract.messages import DECODE_ERRORS


class KeptSecrets(Struct, kw_only=True):
    """What `secrets.json` holds; port 0 means that none was kept yet."""

    processor_token: str
    admin_password: str
    port: int = 0


_FILE = "secrets.json"
# Without the letters and digits that are mistaken for each other when typed from a screen.
_PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def _write(path: Path, kept: KeptSecrets, *, replace: bool) -> None:
    aside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(aside, path)
        else:
            with contextlib.suppress(FileExistsError):  # another start was first: its content counts
                os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def kept_secrets(data_folder: Path) -> KeptSecrets:
    """The secrets of this data folder, made now if there are none.

    Raises ValueError naming the file if it cannot be understood.
    """
    data_folder.mkdir(parents=True, exist_ok=True)
    path = data_folder / _FILE
    if not path.exists():
        password = "-".join("".join(secrets.choice(_PASSWORD_LETTERS) for _ in range(5)) for _ in range(3))
        _write(
            path,
            KeptSecrets(processor_token=secrets.token_urlsafe(32), admin_password=password),
            replace=False,
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeptSecrets)
    except DECODE_ERRORS as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and a new one is made") from error


@contextlib.contextmanager
def held(data_folder: Path) -> Iterator[None]:
    """Hold the data folder for this process alone; the lock ends with the process, however that ends.

    Raises BlockingIOError if another process holds it.
    """
    import fcntl

    with (data_folder / "backend.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def keep_port(data_folder: Path, port: int) -> None:
    """Remember the port, so that frames find the same address after a restart."""
    kept = kept_secrets(data_folder)
    if kept.port != port:
        kept.port = port
        _write(data_folder / _FILE, kept, replace=True)


def listening_socket(host: str, port: int, *, kept_port: int = 0) -> socket.socket:
    """A socket bound to `port`; 0 means the kept port if it is free, else any free one.

    Raises OSError when an explicitly wanted port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in [port] if port else [kept_port, 0]:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, candidate))
        except OSError:
            found.close()
            if port or not candidate:
                raise
            continue
        return found
    raise AssertionError("unreachable: the last candidate binds or raises")
