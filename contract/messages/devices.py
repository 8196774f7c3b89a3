"""Messages of the devices API: creating, changing and listing devices."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from contract.messages.frames import FrameFilters, Gap, Interval
from contract.messages.processing import DeviceName, Orientation, Side
from contract.panels import Container, PanelName

Ink = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)", description="#RRGGBB")]


class DeviceBody(Struct, frozen=True, kw_only=True):
    """A device to create or change.

    If `id` is missing, the id is the name. If `orientation` is missing, it is computed from the size.
    A missing `interval`, `gap`, `pairing` or `filters` leaves the stored value unchanged.
    A new device has no interval, no gap and no filters.
    If the shape of a new device allows a split screen, the device shows pairs of photos, unless it has a panel.

    `panel` is the kind of e-paper, or "jpeg"; a missing one leaves the stored panel, container and inks unchanged.
    `container` is the kind of file, by default PNG for e-paper.
    `inks` are the panel's inks as the owner measured them, in the order of the panel's.
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
    panel: PanelName | None = None
    container: Container | None = None
    inks: Annotated[tuple[Ink, ...], Meta(max_length=16)] = ()


class DeviceSaved(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Response to a saved device. `token` is set only if the device is new, or if the token was renewed.

    No later call returns the token again.
    """

    success: bool
    device_id: str
    token: str | None = None


class DeviceInfo(Struct, frozen=True, kw_only=True):
    """A device as the API lists it.

    `ready` counts the photos with a current variant for this device.
    `interval` is in seconds, `gap` in pixels.
    `pairs` is True if the device shows pairs: `pairing` is on, and the device's shape allows a split screen.
    `seen_at` is the time of the device's last request, rounded to the minute, in seconds since the epoch.
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
    panel: PanelName = "jpeg"
    container: Container = "jpeg"
    inks: tuple[str, ...] = ()


class DeviceList(Struct, frozen=True, kw_only=True):
    """All devices, in the order of their creation."""

    devices: tuple[DeviceInfo, ...]
