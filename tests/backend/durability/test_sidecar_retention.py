"""Archived sidecars are deleted after 30 days, on disk and in Cloud Storage."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from backend.durability.sidecar_sync import ARCHIVE_DAYS
from backend.periodic import run_periodic_work
from backend.services import Services, open_services
from backend.settings import Settings
from emulators.cloud_storage.server import GcsServer

pytestmark = pytest.mark.server

DAY = 24 * 3600.0
ARCHIVED = "images/metadata/archive/2026/01/" + "0" * 32 + ".json"


def open_in(folder: Path, bucket_url: str = "") -> AbstractAsyncContextManager[Services]:
    settings = Settings(slideshow_data=str(folder), bucket_url=bucket_url, processor_auth_token="t", admin_password="p")
    folder.mkdir(exist_ok=True)
    return open_services(settings, own_url="http://127.0.0.1:1")


def test_expire_archive_on_disk_removes_files_older_than_30_days(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_in(tmp_path / "data") as services:
            for name, days in ((ARCHIVED, ARCHIVE_DAYS + 1), (ARCHIVED.replace("0.json", "1.json"), ARCHIVE_DAYS - 1)):
                services.bucket.replace(name, b"{}", "application/json")
                moment = time.time() - days * DAY
                os.utime(tmp_path / "data" / "bucket" / name, (moment, moment))
            waiting = "images/metadata/" + "2" * 32 + ".json"
            services.bucket.replace(waiting, b"{}", "application/json")
            os.utime(tmp_path / "data" / "bucket" / waiting, (1, 1))
            report = await run_periodic_work(services)
            assert report.errors == ()
            left = [entry.name for entry in services.bucket.list("images/metadata/archive/", recursive=True)]
            assert left == [ARCHIVED.replace("0.json", "1.json")]
            assert services.bucket.stat(waiting).size == 2

    asyncio.run(scenario())


def test_expire_archive_in_cloud_checks_the_rule_once_a_day_and_logs_a_missing_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: GcsServer) -> None:
        async with open_in(tmp_path / "data", "gs://photos") as services:
            sync = services.sidecar_sync
            now = time.time()
            server.denied.add("patch bucket")
            assert await sync.expire_archive_if_due(now) is False
            assert "storage.buckets.update" in caplog.text
            assert await sync.expire_archive_if_due(now + DAY - 60) is False
            assert server.requests["get bucket"] == 1, "a missing permission is not checked again within the day"
            server.denied.clear()
            with caplog.at_level("INFO"):
                assert await sync.expire_archive_if_due(now + DAY + 60) is True
            assert "removed after 30 days" in caplog.text
            condition = {"age": 30, "matchesPrefix": ["images/metadata/archive/"]}
            rule = {"action": {"type": "Delete"}, "condition": condition}
            assert server.store.bucket("photos").lifecycle == {"rule": [rule]}
            assert await sync.expire_archive_if_due(now + 3 * DAY) is False

    with GcsServer("photos") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        asyncio.run(scenario(server))
