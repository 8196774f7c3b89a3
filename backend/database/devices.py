"""Devices: the screens that pictures are made for, and what each shows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, delete, func, insert, select, update

from backend.database.garbage import discard, spare
from backend.database.recorded import devices_changed
from backend.database.tables import devices, images, processed_images
from backend.database.work_set import settle
from contract.admin_messages import DeviceBody
from contract.messages import orientation_of
from contract.object_names import device_folder
from contract.recipes import recipe


def save(connection: Connection, device_id: str, body: DeviceBody, token_hash: str, now: float) -> bool:
    """Create a device or change it; True if it is new and `token_hash` is now its token's.

    A rename changes the label only; the key stays the name at creation. Another size is another
    recipe, and the pictures of the new one are queued behind new photos.
    Raises ValueError if another device was created under this name.
    """
    values = {
        "name": body.name,
        "width": body.width,
        "height": body.height,
        "orientation": body.orientation or orientation_of(body.width, body.height),
        "recipe": recipe(body.width, body.height),
    }
    before = connection.execute(select(devices).where(devices.c.id == device_id)).first()
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
        key = body.name if before is None else before.key
        spare(connection, device_folder(key), recipe(body.width, body.height))
        settle(connection, now)
    return before is None


def remove(connection: Connection, device_id: str, now: float) -> bool:
    """Remove a device and its rows, and note its pictures for removal; False if there was none."""
    key = connection.scalar(select(devices.c.key).where(devices.c.id == device_id))
    if key is None:
        return False
    of_device = processed_images.c.device_size == key
    discard(connection, list(connection.scalars(select(processed_images.c.file_path).where(of_device))), now)
    connection.execute(delete(processed_images).where(of_device))
    connection.execute(delete(devices).where(devices.c.id == device_id))
    devices_changed(connection)
    settle(connection, now)
    return True


def rows(connection: Connection) -> list[sa.Row[Any]]:
    """All devices, in the order of their creation."""
    return list(connection.execute(select(devices).order_by(devices.c.created_at, devices.c.id)))


def one(connection: Connection, device_id: str) -> sa.Row[Any] | None:
    """The device of this id, or else the one of this name, as `/next` of older frames is called by."""
    found = connection.execute(select(devices).where(devices.c.id == device_id)).first()
    if found is None:
        found = connection.execute(select(devices).where(devices.c.name == device_id).limit(1)).first()
    return found


def of_token(connection: Connection, token_hash: str) -> str | None:
    """The id of the device whose token hashes to this, or None."""
    found: str | None = connection.scalar(select(devices.c.id).where(devices.c.token_hash == token_hash))
    return found


def pictures(connection: Connection, key: str) -> list[sa.Row[Any]]:
    """(image_id, file_path, width, height, color_palette of the image) of every photo ready for a device."""
    query = (
        select(
            processed_images.c.image_id,
            processed_images.c.file_path,
            processed_images.c.width,
            processed_images.c.height,
            images.c.color_palette,
        )
        .join(images, images.c.id == processed_images.c.image_id)
        .where(processed_images.c.device_size == key)
        .order_by(images.c.ingested_at, images.c.id)
    )
    return list(connection.execute(query))


def show(connection: Connection, device_id: str, image_id: str) -> None:
    """Remember what the device shows, so that it goes on from there after a restart."""
    connection.execute(update(devices).where(devices.c.id == device_id).values(shown_image_id=image_id))


def count(connection: Connection) -> int:
    """How many devices there are."""
    return connection.scalar(select(func.count()).select_from(devices)) or 0
