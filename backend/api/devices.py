"""Devices: the picture frames that variants are rendered for."""

from __future__ import annotations

import secrets

import msgspec
from falcon.asgi import Request, Response

from backend.api.operations import Resource, operation, send_json
from backend.auth.access import Access, digest
from backend.database import devices, images
from backend.database.devices import Device
from backend.database.rows import filters_of
from backend.http.errors import Conflict, NotFound, UnprocessableEntity
from backend.services import Services
from contract import object_names
from contract.messages.admin import Problem
from contract.messages.devices import DeviceBody, DeviceInfo, DeviceList, DeviceSaved
from contract.messages.processing import DeviceName, Success
from contract.panels import PanelError

TOKEN_BYTES = 24
SALT_BYTES = 8
"""The salt need not be secret, only different: the key of all signatures is."""


async def find_device(services: Services, device_id: str) -> Device:
    """Return the device of this id or name. Raises NotFound, also for an invalid name."""
    device = await services.device_cache.find(device_id)
    if device is None:
        raise NotFound(f"there is no device {device_id[:64]!r}")
    return device


async def save(services: Services, device_id: str, body: DeviceBody) -> DeviceSaved:
    """Create or change a device. A new device's token is in the response only; the database stores its hash."""
    try:
        object_names.device_folder(body.name)
    except ValueError as error:
        raise UnprocessableEntity(f"name: {error}") from error
    try:
        devices.requested_panel(body)
    except PanelError as error:
        raise UnprocessableEntity(str(error)) from error
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        new = await services.database.write(
            devices.save, device_id, body, digest(token), services.clock(), new_picture_salt()
        )
    except ValueError as error:
        raise Conflict(str(error)) from error
    await services.record_writer.save_devices()
    await services.frames.refilter()
    if new:  # only now: if the record could not be written, the client sends the request again and gets a token then
        new = await services.database.write(devices.confirm_token, device_id, digest(token))
    services.wake_up.set()
    return DeviceSaved(success=True, device_id=device_id, token=token if new else None)


def new_picture_salt() -> str:
    """Return a random salt for the signatures of a device's picture addresses."""
    return secrets.token_hex(SALT_BYTES)


def device_info(device: Device, ready: dict[str, int]) -> DeviceInfo:
    """Return the description of a device; `ready` maps device keys to numbers of ready photos."""
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
        filters=filters_of(device.filters),
        seen_at=device.seen_at,
        panel=device.panel.name if device.panel else "jpeg",
        container=device.panel.container if device.panel else "jpeg",
        inks=device.panel.inks if device.panel else (),
    )


class Devices(Resource):
    """`/api/devices`."""

    @operation("List the devices", access=Access.ADMIN, responses={200: DeviceList})
    async def on_get(self, req: Request, resp: Response) -> None:
        rows = await self.services.database.read(devices.read_all)
        ready = await self.services.database.read(images.ready_counts)
        send_json(resp, DeviceList(devices=tuple(device_info(device, ready) for device in rows)))

    @operation(
        "Create or change a device; its id defaults to its name",
        access=Access.ADMIN,
        body=DeviceBody,
        responses={200: DeviceSaved, 409: Problem},
    )
    async def on_post(self, req: Request, resp: Response, body: DeviceBody) -> None:
        send_json(resp, await save(self.services, body.id or body.name, body))


class OneDevice(Resource):
    """`/api/devices/{device_id}`."""

    @operation("Get a device", access=Access.ADMIN, responses={200: DeviceInfo, 404: Problem})
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        device = await find_device(self.services, device_id)
        send_json(resp, device_info(device, await self.services.database.read(images.ready_counts)))

    @operation(
        "Create or change the device of this id",
        access=Access.ADMIN,
        body=DeviceBody,
        responses={200: DeviceSaved, 409: Problem},
    )
    async def on_put(self, req: Request, resp: Response, device_id: str, body: DeviceBody) -> None:
        try:
            msgspec.convert(device_id, DeviceName)
        except msgspec.ValidationError as error:
            raise UnprocessableEntity(f"id: {error}") from error
        if body.id not in (None, device_id):
            raise UnprocessableEntity(f"id: {body.id!r} in the body differs from {device_id!r} in the address")
        send_json(resp, await save(self.services, device_id, body))

    @operation("Delete a device and its pictures", access=Access.ADMIN, responses={200: Success, 404: Problem})
    async def on_delete(self, req: Request, resp: Response, device_id: str) -> None:
        if not await self.services.database.write(devices.remove, device_id, self.services.clock()):
            raise NotFound(f"there is no device {device_id[:64]!r}")
        await self.services.record_writer.save_devices()
        self.services.wake_up.set()
        send_json(resp, Success())


class DeviceToken(Resource):
    """`POST /api/devices/{device_id}/token`."""

    @operation(
        "Replace a device's token; the former token and the addresses of its pictures become invalid",
        access=Access.ADMIN,
        responses={200: DeviceSaved, 404: Problem},
    )
    async def on_post(self, req: Request, resp: Response, device_id: str) -> None:
        services, token = self.services, secrets.token_urlsafe(TOKEN_BYTES)
        if not await services.database.write(devices.renew_token, device_id, digest(token), new_picture_salt()):
            raise NotFound(f"there is no device {device_id[:64]!r}")
        await services.record_writer.save_devices()
        services.wake_up.set()
        send_json(resp, DeviceSaved(success=True, device_id=device_id, token=token))
