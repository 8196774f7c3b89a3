"""What is said of devices: how one is created or changed, and what is known of it."""

from __future__ import annotations

from msgspec import Struct

from contract.messages.frames import FrameFilters, Gap, Interval
from contract.messages.processing import DeviceName, Orientation, Side


class DeviceBody(Struct, frozen=True, kw_only=True):
    """A device to be created or changed; id defaults to name, orientation to that of the size.

    What is left out of the last four stays as it is. A new device has no interval, no gap and no filters, and pairs
    photos of the other orientation if its shape suits.
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
    """`token` is there once: when the device is new. It cannot be shown again."""

    success: bool
    device_id: str
    token: str | None = None


class DeviceInfo(Struct, frozen=True, kw_only=True):
    """`ready` counts the photos that have today's picture for this device.

    `interval` in seconds, `gap` in pixels; `pairs` says whether it has halves, which takes pairing and a shape that
    suits. `seen_at`, to the minute and in seconds since the epoch, is when it last asked.
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
