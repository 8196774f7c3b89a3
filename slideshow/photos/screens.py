"""The five screens that pictures are made for unless told otherwise, and how a person names a size."""

from __future__ import annotations

import re

import msgspec

from contract.messages.processing import Device

DEFAULT_SCREENS = (
    Device(name="small-landscape", width=800, height=480),
    Device(name="medium-landscape", width=1024, height=600),
    Device(name="large-landscape", width=1920, height=1080),
    Device(name="small-portrait", width=480, height=800),
    Device(name="medium-portrait", width=600, height=1024),
)

_SIZE = re.compile(r"([0-9]{1,5})[xX×]([0-9]{1,5})")


def screen(name: str, size: str) -> Device:
    """The device of this name and a size such as 800x480. Raises ValueError with a sentence."""
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise ValueError(f"{size!r} is not a size; write width and height in pixels, such as 800x480")
    wanted = {"name": name, "width": int(match[1]), "height": int(match[2])}
    try:
        return msgspec.convert(wanted, Device)
    except msgspec.ValidationError as error:
        if str(error).endswith("`$.name`"):
            raise ValueError(
                f"{name!r} cannot be a device's name: 1 to 64 characters, no slash, backslash or control character"
            ) from error
        raise ValueError(f"{size!r} is not a size of 1 to 8192 pixels a side") from error
