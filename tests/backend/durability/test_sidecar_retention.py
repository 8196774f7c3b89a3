"""The archive of sidecars: emptied once a day, over the disk and over the bucket of Google Cloud Storage."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from backend.durability.sidecar_retention import ARCHIVE_DAYS, expire_if_due
from backend.periodic import tick
from backend.services import Services
from backend.settings import Settings
from emulators.cloud_storage.server import GcsServer

pytestmark = pytest.mark.server

DAY = 24 * 3600.0
ARCHIVED = "images/metadata/archive/2026/01/" + "0" * 32 + ".json"


def services_in(folder: Path, bucket_url: str = "") -> Services:
    settings = Settings(slideshow_data=str(folder), bucket_url=bucket_url, processor_auth_token="t", admin_password="p")
    folder.mkdir(exist_ok=True)
    return Services(settings, own_url="http://127.0.0.1:1")


def test_old_files_go_and_young_ones_stay(tmp_path: Path) -> None:
    async def scenario() -> None:
        services = services_in(tmp_path / "data")
        await services.start()
        for name, days in ((ARCHIVED, ARCHIVE_DAYS + 1), (ARCHIVED.replace("0.json", "1.json"), ARCHIVE_DAYS - 1)):
            services.bucket.replace(name, b"{}", "application/json")
            moment = time.time() - days * DAY
            os.utime(tmp_path / "data" / "bucket" / name, (moment, moment))
        waiting = "images/metadata/" + "2" * 32 + ".json"
        services.bucket.replace(waiting, b"{}", "application/json")
        os.utime(tmp_path / "data" / "bucket" / waiting, (1, 1))
        report = await tick(services)
        assert report.errors == ()
        left = [entry.name for entry in services.bucket.list("images/metadata/archive/", recursive=True)]
        assert left == [ARCHIVED.replace("0.json", "1.json")]
        assert services.bucket.stat(waiting).size == 2
        await services.close()

    asyncio.run(scenario())


def test_the_rule_is_asked_for_once_a_day_and_its_lack_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: GcsServer) -> None:
        services = services_in(tmp_path / "data", "gs://photos")
        await services.start()
        now = time.time()
        server.denied.add("patch bucket")
        assert await expire_if_due(services, now) is False
        assert "storage.buckets.update" in caplog.text
        assert await expire_if_due(services, now + DAY - 60) is False
        assert server.requests["get bucket"] == 1, "a lack of permission is not asked about each second"
        server.denied.clear()
        with caplog.at_level("INFO"):
            assert await expire_if_due(services, now + DAY + 60) is True
        assert "removed after 30 days" in caplog.text
        rule = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["images/metadata/archive/"]}}
        assert server.store.bucket("photos").lifecycle == {"rule": [rule]}
        assert await expire_if_due(services, now + 3 * DAY) is False
        await services.close()

    with GcsServer("photos") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        asyncio.run(scenario(server))
