"""Every object name in the bucket: build it, parse it, and check one that came from outside."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote, unquote

ORIGINALS = "images/originals/"
PROCESSED = "processed/"
THUMBNAILS = "images/thumbnails/"
METADATA = "images/metadata/"
ARCHIVE = "images/metadata/archive/"

RECORDS = "images/records/"
DEVICES = "state/devices.json"
EPOCH = "state/epoch.json"
SNAPSHOT = "state/snapshot.db.gz"

MAX_NAME_BYTES = 1024
"""The longest object name that Google Cloud Storage accepts, in UTF-8 bytes."""

MAX_PART_BYTES = 255
"""The longest name of a folder or file on the file systems that disk buckets lie on (NAME_MAX of ext4, APFS, NTFS)."""

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")
_SIDECAR = re.compile(re.escape(METADATA) + r"([0-9a-f]{32})\.json")
_OF_IMAGE = re.compile(
    r"(?:images/(?:originals|thumbnails|metadata|records|metadata/archive/[0-9]{4}/[0-9]{2})|processed/[^/]+)/"
    r"([0-9a-f]{32})(?:-[0-9a-f]{8,10}){0,2}\.[a-z0-9]{1,8}"
)
_VARIANT = re.compile(re.escape(PROCESSED) + r"([^/]+)/([0-9a-f]{32})(?:-([0-9a-f]{10}))?(?:-[0-9a-f]{8})?\.jpg")


def check(name: str) -> str:
    """Give `name` back if it may name an object of ours.

    Raises ValueError for an empty, overlong or absolute name, an empty, `.` or `..` part,
    a backslash, a control character or half a surrogate pair.
    """
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise ValueError("an object name has 1 to 1,024 bytes")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError(f"the object name {name!r} is not valid Unicode")
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name) or "\\" in name:
        raise ValueError(f"the object name {name!r} contains a control character or a backslash")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"the object name {name!r} contains an empty part, '.' or '..'")
    return name


def _image_id(image_id: str) -> str:
    if not _IMAGE_ID.fullmatch(image_id):
        raise ValueError(f"{image_id!r} is not an image id of 32 hex digits")
    return image_id


def original(image_id: str, extension: str) -> str:
    """The upload, byte for byte; `extension` with its dot, lower case."""
    if not _EXTENSION.fullmatch(extension):
        raise ValueError(f"{extension!r} is not a file extension such as '.jpg'")
    return f"{ORIGINALS}{_image_id(image_id)}{extension}"


def device_folder(device_key: str) -> str:
    """Where a device's variants lie; the key is percent-encoded.

    Raises ValueError if that is no folder: empty, `.`, `..`, or too long for a file system.
    """
    encoded = quote(device_key, safe="")
    if encoded in ("", ".", ".."):
        raise ValueError(f"{device_key!r} is nobody's device")
    if len(encoded) > MAX_PART_BYTES:
        raise ValueError(f"{device_key!r} is too long: percent-encoded it has more than {MAX_PART_BYTES} characters")
    return f"{PROCESSED}{encoded}/"


def variant(device_key: str, image_id: str, recipe: str, suffix: str = "") -> str:
    """One device's picture; `suffix` is a crc32c in hex, for a name already taken."""
    tail = f"-{suffix}" if suffix else ""
    return f"{device_folder(device_key)}{_image_id(image_id)}-{recipe}{tail}.jpg"


def thumbnail(image_id: str, recipe: str, suffix: str = "") -> str:
    """The small square picture; `suffix` as for a variant."""
    tail = f"-{suffix}" if suffix else ""
    return f"{THUMBNAILS}{_image_id(image_id)}-{recipe}{tail}.jpg"


def sidecar(image_id: str) -> str:
    """Where a task leaves what it found out about an image."""
    return f"{METADATA}{_image_id(image_id)}.json"


def record(image_id: str) -> str:
    """The permanent record of an image."""
    return f"{RECORDS}{_image_id(image_id)}.json"


def archived_sidecar(image_id: str, processed_at: datetime) -> str:
    """Where an imported sidecar goes: by year and month of `processed_at`, in UTC."""
    moment = processed_at.astimezone(UTC)
    return f"{ARCHIVE}{moment.year:04}/{moment.month:02}/{_image_id(image_id)}.json"


def image_of_sidecar(name: str) -> str | None:
    """The image id of a sidecar that waits, or None if `name` is something else."""
    match = _SIDECAR.fullmatch(name)
    return match[1] if match else None


def device_of_variant(name: str) -> tuple[str, str] | None:
    """(device key, image id) of a variant's name, with or without a recipe; None if it is none."""
    match = _VARIANT.fullmatch(name)
    return (unquote(match[1]), match[2]) if match else None


def image_of(name: str) -> str | None:
    """The image that an object belongs to by its name, whatever kind of object it is; None if to none."""
    match = _OF_IMAGE.fullmatch(name)
    return match[1] if match else None
