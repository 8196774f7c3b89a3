"""Backend services without HTTP server and periodic loop, with a clock that tests set."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from backend.database import claims, devices, executions, images
from backend.jobs.local_runner import LocalRunner
from backend.jobs.queue import JobQueue
from backend.services import Services, open_services
from backend.settings import Settings
from contract import object_names
from contract.bucket.port import uri_of
from contract.messages.devices import DeviceBody
from contract.messages.processing import ClaimRequest
from contract.messages.sidecars import Sidecar, SidecarResult
from contract.recipes import recipe
from tests.support.core_library import HISTOGRAM, LEASE_SECONDS, PALETTE, image_id

HOUR = 3600.0


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def run(
    folder: Path,
    act: Callable[[Services, Clock], Awaitable[object]],
    *,
    script: str = "pass",
    **changes: Any,
) -> None:
    """Run `act` with the services of a backend whose periodic loop is off and whose tasks run `script`."""
    made = Settings(
        slideshow_data=str(folder),
        processor_auth_token="token-of-the-tests",
        admin_password="password-of-the-tests",
        tick_seconds=0.0,
        **changes,
    )

    async def body() -> None:
        clock = Clock()
        async with open_services(made, own_url="http://127.0.0.1:9", clock=clock) as services:
            services.runner = LocalRunner(
                services.database,
                dict,
                max_tasks=2,
                timeout_seconds=made.task_timeout_seconds,
                retries=0,
                ended=services.wake_up.set,
                command=[sys.executable, "-c", script],
            )
            services.queue = JobQueue(services.database, services.runner, made)
            async with asyncio.timeout(60):
                await act(services, clock)

    asyncio.run(body())


async def add(services: Services, *numbers: int) -> list[str]:
    """Add photos with the current time of the clock; return their ids."""
    for number in numbers:
        values = {
            "id": image_id(number),
            "file_path": uri_of(services.bucket, object_names.original(image_id(number), ".jpg")),
            "file_hash": image_id(number) * 2,
            "filename": "x.jpg",
            "byte_size": 1,
            "width": 4,
            "height": 3,
            "orientation": "landscape",
            "ingested_at": services.clock(),
        }
        assert await services.database.write(images.add, values)
    return [image_id(number) for number in numbers]


async def device(services: Services, name: str = "small") -> None:
    """Save a device of 800 x 480 pixels."""
    body = DeviceBody(name=name, width=800, height=480)
    await services.database.write(devices.save, name, body, "hash", services.clock())


async def claim(services: Services, owner: str = "elsewhere/0") -> list[str]:
    """Claim all images; return the leases."""
    request = ClaimRequest(owner=owner, limit=50)
    claimed = await services.database.write(claims.claim, request, "ab" * 16, services.clock(), LEASE_SECONDS)
    return [image.lease for image in claimed.images]


def leave_sidecar(services: Services, image: str) -> None:
    """Store a sidecar, as a task does whose report was lost."""
    result = SidecarResult(
        device_size="small",
        width=800,
        height=480,
        file_path=object_names.variant("small", image, recipe(800, 480)),
        colors=PALETTE.all_colors,
        primary=PALETTE.primary,
        secondary=PALETTE.secondary,
        tertiary=PALETTE.tertiary,
        recipe=recipe(800, 480),
    )
    sidecar = Sidecar(image_id=image, processed_at="2025-01-31T12:00:00Z", results=(result,), histogram=HISTOGRAM)
    services.bucket.replace(result.file_path, b"a picture", "image/jpeg")
    services.bucket.replace(object_names.sidecar(image), msgspec.json.encode(sidecar), "application/json")


async def until_ended(services: Services) -> int:
    """Follow executions until all have ended; return how many ended."""
    ended = 0
    while await services.database.read(executions.unfinished):
        await services.wake_up.wait()
        services.wake_up.clear()
        ended += await services.queue.follow(services.clock())
    return ended
