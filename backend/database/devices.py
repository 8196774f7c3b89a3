"""Devices: the screens that pictures are made for, and what each shows."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from backend.database import bags
from backend.database.garbage import discard, spare
from backend.database.missing_pairs import drop_halves, queue_halves
from backend.database.missing_variants import settle
from backend.database.record_queries import devices_changed
from backend.database.tables import devices, processed_images
from contract.messages.devices import DeviceBody
from contract.messages.processing import Orientation, orientation_of
from contract.object_names import device_folder
from contract.recipes import recipe
from contract.split_screen import half_key, half_size


class Device(Struct, frozen=True, kw_only=True):
    """A device as its table has it; `filters` as JSON has them, sizes in pixels, times in seconds since the epoch."""

    id: str
    name: str
    key: str
    width: int
    height: int
    orientation: Orientation
    recipe: str
    token_hash: str | None
    created_at: float
    changed_at: float
    interval_seconds: int
    gap: int
    pairing: bool
    half_recipe: str | None
    filters: dict[str, Any] | None
    seen_at: float | None


def save(connection: Connection, device_id: str, body: DeviceBody, token_hash: str, now: float) -> bool:
    """Create a device or change it; True if it is new and `token_hash` is now its token's.

    A rename changes the label only; the key stays the name at creation. Another size is another
    recipe, and the pictures of the new one are queued behind new photos; so are half pictures that it has use for.
    What the body leaves out of interval, gap, pairing and filters stays as it is; a new device pairs if its shape
    suits. Raises ValueError if another device was created under this name.
    """
    before = connection.execute(select(devices).where(devices.c.id == device_id)).first()
    key = body.name if before is None else before.key
    values = {
        "name": body.name,
        "width": body.width,
        "height": body.height,
        "orientation": body.orientation or orientation_of(body.width, body.height),
        "recipe": recipe(body.width, body.height),
        **_showing(before, body, key),
    }
    devices_changed(connection)
    if before is None:
        if connection.scalar(select(sa.exists().where(devices.c.key == body.name))):
            raise ValueError(f"another device was created as {body.name!r}, and pictures are kept under that name")
        connection.execute(
            insert(devices).values(
                id=device_id, key=body.name, token_hash=token_hash, created_at=now, changed_at=now, **values
            )
        )
    else:
        if before.recipe != values["recipe"]:
            values["changed_at"] = now
        connection.execute(update(devices).where(devices.c.id == device_id).values(**values))
    if before is None or before.recipe != values["recipe"]:
        spare(connection, device_folder(key), recipe(body.width, body.height))
    if values["half_recipe"]:
        spare(connection, device_folder(half_key(key)), values["half_recipe"])
    if before is None or (before.recipe, before.half_recipe) != (values["recipe"], values["half_recipe"]):
        settle(connection, now)
        if values["half_recipe"]:
            queue_halves(connection, key, now)
        else:
            drop_halves(connection, key, now)
    return before is None


def _showing(before: sa.Row[Any] | None, body: DeviceBody, key: str) -> dict[str, Any]:
    """How the device shows its photos: the fields that a body may leave out, and what follows from them."""
    showing: dict[str, Any] = {"interval_seconds": 0, "gap": 0, "pairing": True, "filters": None}
    if before is not None:
        showing = {name: getattr(before, name) for name in showing}
    told = {"interval_seconds": body.interval, "gap": body.gap, "pairing": body.pairing}
    showing |= {name: value for name, value in told.items() if value is not None}
    if body.filters is not None:
        showing["filters"] = msgspec.to_builtins(body.filters) or None
    half = half_size(body.width, body.height, showing["gap"]) if showing["pairing"] else None
    try:
        device_folder(half_key(key))
    except ValueError:  # the name fits a folder's, but not with what follows it for a half
        half = None
    return {**showing, "half_recipe": recipe(*half) if half else None}


def remove(connection: Connection, device_id: str, now: float) -> bool:
    """Remove a device and its rows, and note its pictures for removal; False if there was none."""
    key = connection.scalar(select(devices.c.key).where(devices.c.id == device_id))
    if key is None:
        return False
    of_device = processed_images.c.device_size.in_((key, half_key(key)))
    discard(connection, list(connection.scalars(select(processed_images.c.file_path).where(of_device))), now)
    connection.execute(delete(processed_images).where(of_device))
    connection.execute(delete(devices).where(devices.c.id == device_id))
    bags.forget(connection, device_id)
    devices_changed(connection)
    settle(connection, now)
    return True


def every(connection: Connection) -> list[Device]:
    """All devices, in the order of their creation."""
    found = connection.execute(select(devices).order_by(devices.c.created_at, devices.c.id)).mappings()
    return [Device(**row) for row in found]


def seen(connection: Connection, device_id: str, now: float) -> None:
    """Note that the device has asked."""
    connection.execute(update(devices).where(devices.c.id == device_id).values(seen_at=now))


def count(connection: Connection) -> int:
    """How many devices there are."""
    return connection.scalar(select(func.count()).select_from(devices)) or 0
