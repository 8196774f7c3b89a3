"""A cache of all devices, valid until the database changes: frames send requests often."""

from __future__ import annotations

import asyncio
import logging

from backend.database import Database, devices
from backend.database.devices import Device

log = logging.getLogger(__name__)

SEEN_SECONDS = 60
"""Minimum time between two writes of a device's last-seen time."""


def _identity(device: Device) -> tuple[str, float]:
    # A device that is created again under an old id has not been seen yet.
    return device.id, device.created_at


class DeviceCache:
    """Looks devices up in memory; compares its version with the database's change counter at each call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: object = None
        self._by_id: dict[str, Device] = {}
        self._by_name: dict[str, Device] = {}
        self._by_token: dict[str, Device] = {}
        self._by_key: dict[str, Device] = {}
        self._seen: dict[tuple[str, float], float] = {}
        self._next_refresh: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._writes: set[asyncio.Task[None]] = set()

    async def find(self, id_or_name: str) -> Device | None:
        """Return the device of this id, or else the first of this name, which older frames send to `next`."""
        await self._refresh()
        return self._find(id_or_name)

    async def find_by_token(self, token_hash: str, id_or_name: str) -> Device | None:
        """Return the device of this id or name if it owns the token with this hash, else None."""
        await self._refresh()
        owner = self._by_token.get(token_hash)
        return owner if owner is not None and owner is self._find(id_or_name) else None

    async def picture_salt(self, device_key: str) -> str:
        """Return the salt of the addresses of a device's pictures by its key; "" for an unknown device."""
        await self._refresh()
        device = self._by_key.get(device_key)
        return device.picture_salt if device is not None else ""

    def _find(self, id_or_name: str) -> Device | None:
        return self._by_id.get(id_or_name) or self._by_name.get(id_or_name)

    async def _refresh(self) -> None:
        if await self._database.version() == self._version:
            return
        if self._next_refresh is None:  # concurrent callers share a query that begins after their calls
            self._next_refresh = asyncio.create_task(self._read())
        await asyncio.shield(self._next_refresh)

    async def _read(self) -> None:
        async with self._lock:
            self._next_refresh = None
            version = await self._database.version()  # before the query: a change during it causes another query
            if version != self._version:
                self._replace(await self._database.read(devices.read_all))
                self._version = version

    def _replace(self, rows: list[Device]) -> None:
        self._by_id = {device.id: device for device in rows}
        self._by_name = {device.name: device for device in reversed(rows)}
        self._by_key = {device.key: device for device in rows}
        self._by_token = {device.token_hash: device for device in rows if device.token_hash}
        identities = {_identity(device) for device in rows}
        self._seen = {identity: at for identity, at in self._seen.items() if identity in identities}

    def record_seen(self, device: Device, now: float) -> None:
        """Update the device's last-seen time in the background; a failure is logged."""
        identity = _identity(device)
        last = self._seen.get(identity)
        if last is not None and last <= now < last + SEEN_SECONDS:
            return
        self._seen[identity] = now
        write = asyncio.create_task(self._database.write(devices.mark_seen, device.id, now))
        self._writes.add(write)
        write.add_done_callback(self._written)

    def _written(self, write: asyncio.Task[None]) -> None:
        self._writes.discard(write)
        if not write.cancelled() and (error := write.exception()) is not None:
            log.warning("could not update the device's last-seen time: %s", error)
