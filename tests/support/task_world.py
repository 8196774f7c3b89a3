"""A bucket with photos, a claims server and a task, for tests of the whole task."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from contract import object_names
from contract.bucket.disk import DiskBucket
from contract.bucket.port import ByteWriter, uri_of
from contract.messages.processing import Device
from processor.backend_api.client import BackendClient
from processor.pool.memory_budget import Shares
from processor.pool.render_pool import RenderPool
from processor.pool.sandbox import SandboxSettings
from processor.render.pipeline import RenderedImage
from processor.settings import MEBIBYTE, Settings
from processor.task.loop import Task
from tests.support.claims_server import TOKEN, ClaimsServer, ImageRecord

DEVICES = (Device(name="wide one", width=160, height=96), Device(name="tall", width=60, height=100))
SHARES = Shares(128 * MEBIBYTE, 512 * MEBIBYTE)


async def render_in_pool(
    pool: RenderPool, data: bytes, devices: tuple[Device, ...], name: str, *, quarantined: bool = False
) -> RenderedImage:
    """Render as a job does, without an announcement."""
    async with pool.slot(data, devices, name, quarantined=quarantined) as slot:
        return await pool.render(slot)


def jpeg(number: int, width: int = 240, height: int = 180) -> bytes:
    """Return a photo that depends on its number: a gradient between two colours."""
    mask = Image.linear_gradient("L").resize((width, height))
    first = Image.new("RGB", (width, height), (number * 37 % 256, number * 91 % 256, 200))
    second = Image.new("RGB", (width, height), (250, number * 53 % 256, number * 17 % 256))
    out = io.BytesIO()
    Image.composite(first, second, mask).save(out, "JPEG", quality=88)
    return out.getvalue()


class World:
    """A claims server and a bucket; `add` uploads as the backend does."""

    def __init__(self, server: ClaimsServer, folder: Path) -> None:
        self.server = server
        self.bucket = DiskBucket(f"file://{folder}")
        server.devices = DEVICES

    def add(self, data: bytes, filename: str, *, suspect: bool = False) -> ImageRecord:
        image_id = hashlib.sha256(data).hexdigest()[:32]
        name = object_names.original(image_id, ".jpg")
        self.bucket.create(name, data, "image/jpeg")
        return self.server.add(image_id, uri_of(self.bucket, name), filename, suspect=suspect)

    def add_photos(self, count: int, **size: int) -> list[ImageRecord]:
        return [self.add(jpeg(number, **size), f"photo {number}.jpg") for number in range(count)]

    def before_reads(self, patch: pytest.MonkeyPatch, hook: Callable[[str], None]) -> None:
        """Call `hook` with the name of each object before it is read or downloaded; it may raise."""
        read, download_to = self.bucket.read, self.bucket.download_to

        def hooked_read(name: str, limit: int | None = None) -> bytes:
            hook(name)
            return read(name, limit)

        def hooked_download(name: str, writer: ByteWriter, limit: int | None = None) -> None:
            hook(name)
            download_to(name, writer, limit)

        patch.setattr(self.bucket, "read", hooked_read)
        patch.setattr(self.bucket, "download_to", hooked_download)

    def settings(self, **changed: object) -> Settings:
        values: dict[str, object] = {
            "bucket_url": self.bucket.url,
            "backend_url": self.server.url,
            "token": TOKEN,
            "execution": "run-1",
            "render_threads": 2,
            "retry_seconds": 3.0,
            **changed,
        }
        return Settings(**values)  # type: ignore[arg-type]

    def run(
        self,
        *,
        sandbox: SandboxSettings | None = None,
        shares: Shares = SHARES,
        meanwhile: Callable[[Task], None] | None = None,
        render_seconds: float = 60.0,
        drain_seconds: float = 6.0,
        limit: float = 60.0,
        **changed: object,
    ) -> tuple[int, Task]:
        """Run a task in this process; `meanwhile` is called every 10 ms while it runs."""

        async def scenario() -> tuple[int, Task]:
            settings = self.settings(**changed)
            pool = RenderPool(
                threads=settings.render_threads, shares=shares, sandbox=sandbox, render_seconds=render_seconds
            )
            async with BackendClient(
                settings.backend_url, settings.token, retry_seconds=settings.retry_seconds, request_seconds=5.0
            ) as client:
                task = Task(settings, bucket=self.bucket, client=client, pool=pool, drain_seconds=drain_seconds)

                async def watch() -> None:
                    while meanwhile is not None:
                        meanwhile(task)
                        await asyncio.sleep(0.01)

                watching = asyncio.create_task(watch())
                try:
                    async with asyncio.timeout(limit):
                        code = await task.run()
                finally:
                    watching.cancel()
                    pool.close()
            return code, task

        return asyncio.run(scenario())

    def start_process(self, **environ: str) -> subprocess.Popen[str]:
        """Start `python -m processor` with this server and bucket."""
        return subprocess.Popen(
            [sys.executable, "-m", "processor"],
            env={
                **os.environ,
                "BUCKET_URL": self.bucket.url,
                "BACKEND_API_URL": self.server.url,
                "BACKEND_AUTH_TOKEN": TOKEN,
                "CLOUD_RUN_EXECUTION": "run-1",
                "SLIDESHOW_LOCAL_TASK": "1",
                "RENDER_THREADS": "1",
                **environ,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
