"""Devices are kept in memory, level with the database, and read once for all who ask at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from backend.auth.device_cache import DeviceCache
from backend.database import Database, devices
from contract.messages.devices import DeviceBody


def test_questions_that_come_together_share_one_reading_and_a_change_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    database = Database(f"sqlite:///{tmp_path}/slideshow.db")
    database.migrate()
    known = DeviceCache(database)
    readings = []

    def counted(connection: Connection, every: Any = devices.read_all) -> Any:
        readings.append(1)
        return every(connection)

    monkeypatch.setattr(devices, "read_all", counted)

    async def run() -> None:
        await database.write(devices.save, "hall", DeviceBody(name="hall", width=80, height=48), "hash", 1.0)
        found = await asyncio.gather(*(known.find("hall") for _ in range(40)))
        assert all(device is not None and device.width == 80 for device in found)
        assert len(readings) <= 2  # the first may have begun before the others asked
        assert await known.of_token("hash", "hall") is not None
        assert await known.of_token("hash", "other") is None
        before = len(readings)
        await database.write(devices.save, "hall", DeviceBody(name="hall", width=96, height=48), "hash", 2.0)
        changed = await known.find("hall")
        assert changed is not None
        assert (changed.width, len(readings)) == (96, before + 1)

    asyncio.run(run())
    database.close()
