"""The devices, kept in memory for as long as nothing in the database has changed: frames ask often."""

from __future__ import annotations

import asyncio
import logging

from backend.database import Database, devices
from backend.database.devices import Device

log = logging.getLogger(__name__)

SEEN_SECONDS = 60
"""A device is noted as seen at most once in this time."""


def _life(device: Device) -> tuple[str, float]:
    """A device that is made anew under its old id has not been seen yet."""
    return device.id, device.created_at


class DeviceCache:
    """Answers from memory after one look at the database's stamp."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stamp = -1
        self._by_id: dict[str, Device] = {}
        self._by_name: dict[str, Device] = {}
        self._by_token: dict[str, Device] = {}
        self._seen: dict[tuple[str, float], float] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._noting: set[asyncio.Task[None]] = set()

    async def find(self, id_or_name: str) -> Device | None:
        """The device of this id, or else the first of this name, as older frames call `next`."""
        if self._stamp < self._database.stamp():
            await self._refresh()
        return self._find(id_or_name)

    async def of_token(self, token_hash: str, id_or_name: str) -> Device | None:
        """The device of this id or name, if that is the one whose token hashes to this."""
        if self._stamp < self._database.stamp():
            await self._refresh()
        owner = self._by_token.get(token_hash)
        return owner if owner is not None and owner is self._find(id_or_name) else None

    def _find(self, id_or_name: str) -> Device | None:
        return self._by_id.get(id_or_name) or self._by_name.get(id_or_name)

    async def _refresh(self) -> None:
        """Be level with the database as it is now; questions that come together share one reading."""
        wanted = self._database.stamp()
        while self._stamp < wanted:
            if self._refreshing is None:
                self._refreshing = asyncio.create_task(self._read())
            await asyncio.shield(self._refreshing)

    async def _read(self) -> None:
        stamp = self._database.stamp()  # before the reading: what is changed meanwhile is read again
        try:
            found = await self._database.read(devices.read_all)
        finally:
            self._refreshing = None
        self._by_id = {device.id: device for device in found}
        self._by_name = {device.name: device for device in reversed(found)}
        self._by_token = {device.token_hash: device for device in found if device.token_hash}
        lives = {_life(device) for device in found}
        self._seen = {life: at for life, at in self._seen.items() if life in lives}
        self._stamp = stamp

    def note_seen(self, device: Device, now: float) -> None:
        """Note that the device has asked, beside its answer; if that fails, the log says so."""
        life = _life(device)
        last = self._seen.get(life)
        if last is not None and last <= now < last + SEEN_SECONDS:
            return
        self._seen[life] = now
        noting = asyncio.create_task(self._database.write(devices.mark_seen, device.id, now))
        self._noting.add(noting)
        noting.add_done_callback(self._noted)

    def _noted(self, noting: asyncio.Task[None]) -> None:
        self._noting.discard(noting)
        if not noting.cancelled() and (error := noting.exception()) is not None:
            log.warning("it could not be noted that a device has asked: %s", error)
