"""The five default screen sizes, and parsing of a size such as 800x480."""

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
"""The demo, `render` and the benchmark render for these sizes unless others are given."""

_SIZE = re.compile(r"([0-9]{1,5})[xX×]([0-9]{1,5})")


def screen(name: str, size: str) -> Device:
    """Return the device with this name and a size such as 800x480.

    Raises:
        ValueError: The name or the size is invalid. The message is a sentence.
    """
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise ValueError(f"{size!r} is not a size; write width and height in pixels, such as 800x480")
    fields = {"name": name, "width": int(match[1]), "height": int(match[2])}
    try:
        return msgspec.convert(fields, Device)
    except msgspec.ValidationError as error:
        if str(error).endswith("`$.name`"):
            raise ValueError(
                f"{name!r} is not a device name; use 1 to 64 characters without slash, backslash or control characters"
            ) from error
        raise ValueError(f"{size!r} is out of range; width and height must be 1 to 8192 pixels") from error
