"""The devices that pictures are made for."""

from __future__ import annotations

import secrets

import msgspec
from falcon.asgi import Request, Response

from backend.auth.access import Access, digest
from backend.database import devices, images
from backend.database.devices import Device
from backend.http.errors import Conflict, NotFound, UnprocessableEntity
from backend.http.operations import answer, operation
from backend.services import Services
from contract import object_names
from contract.messages.admin import Problem
from contract.messages.devices import DeviceBody, DeviceInfo, DeviceList, DeviceSaved
from contract.messages.frames import FrameFilters
from contract.messages.processing import DeviceName, Success


async def known_device(services: Services, device_id: str) -> Device:
    """The device of this id or name. Raises NotFound; a name that can be nobody's is unknown as well."""
    found = await services.device_cache.find(device_id)
    if found is None:
        raise NotFound(f"there is no device {device_id[:64]!r}")
    return found


async def save(services: Services, device_id: str, body: DeviceBody) -> DeviceSaved:
    """Create or change a device; a new one's token is in the answer and nowhere else."""
    try:
        object_names.device_folder(body.name)
    except ValueError as error:
        raise UnprocessableEntity(f"name: {error}") from error
    token = secrets.token_urlsafe(24)
    try:
        new = await services.database.write(devices.save, device_id, body, digest(token), services.clock())
    except ValueError as error:
        raise Conflict(str(error)) from error
    await services.record_writer.save_devices()
    services.wake_up.set()
    return DeviceSaved(success=True, device_id=device_id, token=token if new else None)


def device_info(device: Device, ready: dict[str, int]) -> DeviceInfo:
    """What is told of a device; `ready` by key."""
    return DeviceInfo(
        id=device.id,
        name=device.name,
        key=device.key,
        width=device.width,
        height=device.height,
        orientation=device.orientation,
        ready=ready.get(device.key, 0),
        interval=device.interval_seconds,
        gap=device.gap,
        pairing=device.pairing,
        pairs=device.half_recipe is not None,
        filters=msgspec.convert(device.filters, FrameFilters) if device.filters else FrameFilters(),
        seen_at=device.seen_at,
    )


class Devices:
    """`/api/devices`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("List the devices", access=Access.ADMIN, answers={200: DeviceList})
    async def on_get(self, req: Request, resp: Response) -> None:
        found = await self.services.database.read(devices.every)
        ready = await self.services.database.read(images.ready_counts)
        answer(resp, DeviceList(devices=tuple(device_info(device, ready) for device in found)))

    @operation(
        "Create or change a device; the id defaults to the name",
        access=Access.ADMIN,
        body=DeviceBody,
        answers={200: DeviceSaved, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: DeviceBody) -> None:
        answer(resp, await save(self.services, body.id or body.name, body))


class OneDevice:
    """`/api/devices/{device_id}`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("One device", access=Access.ADMIN, answers={200: DeviceInfo, 404: Problem})
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        device = await known_device(self.services, device_id)
        answer(resp, device_info(device, await self.services.database.read(images.ready_counts)))

    @operation(
        "Create or change the device of this id",
        access=Access.ADMIN,
        body=DeviceBody,
        answers={200: DeviceSaved, 409: Problem},
    )
    async def on_put(self, req: Request, resp: Response, device_id: str, body: DeviceBody) -> None:
        try:
            msgspec.convert(device_id, DeviceName)
        except msgspec.ValidationError as error:
            raise UnprocessableEntity(f"id: {error}") from error
        if body.id not in (None, device_id):
            raise UnprocessableEntity(f"id: the body says {body.id!r}, the address {device_id!r}")
        answer(resp, await save(self.services, device_id, body))

    @operation("Remove a device and its pictures", access=Access.ADMIN, answers={200: Success, 404: Problem})
    async def on_delete(self, req: Request, resp: Response, device_id: str) -> None:
        if not await self.services.database.write(devices.remove, device_id, self.services.clock()):
            raise NotFound(f"there is no device {device_id[:64]!r}")
        await self.services.record_writer.save_devices()
        self.services.wake_up.set()
        answer(resp, Success())
