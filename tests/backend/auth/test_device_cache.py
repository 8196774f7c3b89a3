"""The device cache: concurrent lookups share a query, and a change in the database is read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from backend.auth.device_cache import DeviceCache
from backend.database import Database, devices
from contract.messages.devices import DeviceBody


def test_device_cache_concurrent_lookups_share_a_query(tmp_path: Path, monkeypatch: Any) -> None:
    database = Database(f"sqlite:///{tmp_path}/slideshow.db")
    database.migrate()
    cache = DeviceCache(database)
    queries = []

    def counted(connection: Connection, every: Any = devices.read_all) -> Any:
        queries.append(1)
        return every(connection)

    monkeypatch.setattr(devices, "read_all", counted)

    async def run() -> None:
        await database.write(devices.save, "hall", DeviceBody(name="hall", width=80, height=48), "hash", 1.0)
        lookups = await asyncio.gather(*(cache.find("hall") for _ in range(40)))
        assert [device.width if device else None for device in lookups] == [80] * 40
        assert len(queries) <= 2  # the first query may begin before the other lookups
        assert await cache.find_by_token("hash", "hall") is not None
        assert await cache.find_by_token("hash", "other") is None
        before = len(queries)
        await database.write(devices.save, "hall", DeviceBody(name="hall", width=96, height=48), "hash", 2.0)
        changed = await cache.find("hall")
        assert changed is not None
        assert (changed.width, len(queries)) == (96, before + 1)

    asyncio.run(run())
    database.close()
