"""Messages of the devices API: creating, changing and listing devices."""

from __future__ import annotations

from msgspec import Struct

from contract.messages.frames import FrameFilters, Gap, Interval
from contract.messages.processing import DeviceName, Orientation, Side


class DeviceBody(Struct, frozen=True, kw_only=True):
    """A device to create or change; `id` defaults to the name, `orientation` to that of the size.

    A missing `interval`, `gap`, `pairing` or `filters` leaves the stored value unchanged.
    A new device has no interval, no gap and no filters.
    It pairs photos of the other orientation if its shape allows it.
    """

    name: DeviceName
    width: Side
    height: Side
    id: DeviceName | None = None
    orientation: Orientation | None = None
    interval: Interval | None = None
    gap: Gap | None = None
    pairing: bool | None = None
    filters: FrameFilters | None = None


class DeviceSaved(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Response to a saved device. `token` is set only when the device is new and cannot be retrieved again."""

    success: bool
    device_id: str
    token: str | None = None


class DeviceInfo(Struct, frozen=True, kw_only=True):
    """A device as the API lists it.

    `ready` counts the photos with a current variant for this device.
    `interval` is in seconds, `gap` in pixels.
    `pairs` is True if the device shows pairs: `pairing` is on, and its shape allows a split screen.
    `seen_at` is the time of its last request, rounded to the minute, in seconds since the epoch.
    """

    id: str
    name: str
    key: str
    width: int
    height: int
    orientation: Orientation
    ready: int = 0
    interval: int = 0
    gap: int = 0
    pairing: bool = False
    pairs: bool = False
    filters: FrameFilters = FrameFilters()
    seen_at: float | None = None


class DeviceList(Struct, frozen=True, kw_only=True):
    """All devices, in the order of their creation."""

    devices: tuple[DeviceInfo, ...]
