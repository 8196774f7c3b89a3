"""Devices: the screens that variants are rendered for, and how each device selects and shows photos."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from backend.database import shuffle_queues
from backend.database.garbage import cancel_deletion, delete_variants
from backend.database.missing_pairs import queue_split_screen_variants
from backend.database.missing_variants import reconcile_states
from backend.database.record_queries import increment_devices_revision
from backend.database.tables import devices
from contract.messages.devices import DeviceBody
from contract.messages.processing import Orientation, orientation_of
from contract.object_names import device_folder
from contract.panels import PanelError, PanelSetting, panel_from, panel_setting
from contract.recipes import recipe
from contract.split_screen import split_key, split_size


class Device(Struct, frozen=True, kw_only=True):
    """A row of the table `devices`. Sizes are in pixels, times in seconds since the epoch; `filters` is plain JSON."""

    id: str
    name: str
    key: str
    width: int
    height: int
    orientation: Orientation
    recipe: str
    token_hash: str | None
    token_pending: bool = False
    picture_salt: str = ""
    created_at: float
    changed_at: float
    interval_seconds: int
    gap: int
    pairing: bool
    half_recipe: str | None
    filters: dict[str, Any] | None
    seen_at: float | None
    panel: PanelSetting | None


def save(
    connection: Connection, device_id: str, body: DeviceBody, token_hash: str, now: float, picture_salt: str = ""
) -> bool:
    """Create or change a device. Return True if its token is now the one with the hash `token_hash`.

    That is so if the device is new, and if no response has contained its token yet, because the first request failed.
    Call `confirm_token` before the response. The addresses of a new device's pictures sign `picture_salt`.

    A rename changes only the label: the key stays the name at creation. A new size means a new recipe, and
    the device's full-screen and split-screen variants are rendered later than new photos. Fields that
    the body omits (interval, gap, pairing, filters) keep their values. A new device shows pairs by default
    if its shape allows them and it has no e-paper panel. Split-screen variants are always JPEG, because
    two photos have to be joined before they are dithered.

    Raises:
        PanelError: The panel cannot have the container or the inks.
        ValueError: Another device was created with this name.
    """
    before = connection.execute(select(devices).where(devices.c.id == device_id)).first()
    key = body.name if before is None else before.key
    panel = requested_panel(body) if body.panel is not None else panel_from(before.panel if before else None)
    values = {
        "name": body.name,
        "width": body.width,
        "height": body.height,
        "orientation": body.orientation or orientation_of(body.width, body.height),
        "recipe": recipe(body.width, body.height, panel=panel),
        "panel": msgspec.to_builtins(panel) if panel else None,
        **_display_fields(before, body, key, pairs_by_default=panel is None),
    }
    increment_devices_revision(connection)
    if before is None:
        if connection.scalar(select(sa.exists().where(devices.c.key == body.name))):
            raise ValueError(
                f"another device was created as {body.name!r} and its pictures are stored under that name; "
                "choose another name"
            )
        connection.execute(
            insert(devices).values(
                id=device_id,
                key=body.name,
                created_at=now,
                changed_at=now,
                token_hash=token_hash,
                token_pending=True,
                picture_salt=picture_salt,
                **values,
            )
        )
    else:
        if before.recipe != values["recipe"]:
            values["changed_at"] = now
        if before.token_pending:
            values["token_hash"] = token_hash
        connection.execute(update(devices).where(devices.c.id == device_id).values(**values))
        if before.filters != values["filters"]:
            shuffle_queues.begin_refilter(connection, device_id)
    if before is None or before.recipe != values["recipe"]:
        cancel_deletion(connection, device_folder(key), values["recipe"])
    if values["half_recipe"]:
        cancel_deletion(connection, device_folder(split_key(key)), values["half_recipe"])
    if before is None or (before.recipe, before.half_recipe) != (values["recipe"], values["half_recipe"]):
        reconcile_states(connection, now)
        if values["half_recipe"]:
            queue_split_screen_variants(connection, key, now)
        else:
            delete_variants(connection, [split_key(key)], now)
    return before is None or bool(before.token_pending)


def confirm_token(connection: Connection, device_id: str, token_hash: str) -> bool:
    """Record that a response contains this token; return False if a concurrent request has replaced the token."""
    same = (devices.c.id == device_id) & (devices.c.token_hash == token_hash)
    return connection.execute(update(devices).where(same).values(token_pending=False)).rowcount == 1


def renew_token(connection: Connection, device_id: str, token_hash: str, picture_salt: str) -> bool:
    """Replace a device's token and the salt of its addresses; return False if there is no such device."""
    values = {"token_hash": token_hash, "token_pending": False, "picture_salt": picture_salt}
    if connection.execute(update(devices).where(devices.c.id == device_id).values(values)).rowcount == 0:
        return False
    increment_devices_revision(connection)
    return True


def requested_panel(body: DeviceBody) -> PanelSetting | None:
    """Return the panel that the body sets; None: JPEG, or no change. Raises PanelError."""
    if body.panel is None and (body.container is not None or body.inks):
        raise PanelError("panel", "is missing; it is needed with container and inks")
    return None if body.panel is None else panel_setting(body.panel, body.container, body.inks)


def _display_fields(
    before: sa.Row[Any] | None, body: DeviceBody, key: str, *, pairs_by_default: bool
) -> dict[str, Any]:
    """Return the columns that a body may omit, and the recipe of split-screen variants that follows from them."""
    fields: dict[str, Any] = {"interval_seconds": 0, "gap": 0, "pairing": pairs_by_default, "filters": None}
    if before is not None:
        fields = {name: getattr(before, name) for name in fields}
    changes = {"interval_seconds": body.interval, "gap": body.gap, "pairing": body.pairing}
    fields |= {name: value for name, value in changes.items() if value is not None}
    if body.filters is not None:
        fields["filters"] = msgspec.to_builtins(body.filters) or None
    size = split_size(body.width, body.height, fields["gap"]) if fields["pairing"] else None
    try:
        device_folder(split_key(key))
    except ValueError:  # the key fits into an object name, but not together with the suffix of split-screen variants
        size = None
    return {**fields, "half_recipe": recipe(*size) if size else None}


def remove(connection: Connection, device_id: str, now: float) -> bool:
    """Delete a device and its variants; return False if there is no such device."""
    key = connection.scalar(select(devices.c.key).where(devices.c.id == device_id))
    if key is None:
        return False
    delete_variants(connection, [key, split_key(key)], now)
    connection.execute(delete(devices).where(devices.c.id == device_id))
    shuffle_queues.remove(connection, device_id)
    increment_devices_revision(connection)
    reconcile_states(connection, now)
    return True


def read_all(connection: Connection) -> list[Device]:
    """Return all devices in the order of their creation."""
    rows = connection.execute(select(devices).order_by(devices.c.created_at, devices.c.id)).mappings()
    return [Device(**{**row, "panel": panel_from(row["panel"])}) for row in rows]


def mark_seen(connection: Connection, device_id: str, now: float) -> None:
    """Store the time of the device's latest request."""
    connection.execute(update(devices).where(devices.c.id == device_id).values(seen_at=now))


def count(connection: Connection) -> int:
    """Return the number of devices."""
    return connection.scalar(select(func.count()).select_from(devices)) or 0
