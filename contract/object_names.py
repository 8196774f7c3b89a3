"""Object names in the bucket: build them, parse them, and validate those that come from outside."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from contract.panels import CONTENT_TYPES

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
"""Longest object name that Google Cloud Storage accepts, in UTF-8 bytes."""

MAX_PART_BYTES = 255
"""Longest name of a folder or file on the file systems of disk buckets (NAME_MAX of ext4, APFS and NTFS)."""

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")
_SIDECAR = re.compile(re.escape(METADATA) + r"([0-9a-f]{32})\.json")
_ANY_OF_IMAGE = re.compile(
    r"(?:images/(?:originals|thumbnails|metadata|records|metadata/archive/[0-9]{4}/[0-9]{2})|processed/[^/]+)/"
    r"([0-9a-f]{32})(?:-[0-9a-f]{8,10}){0,2}\.[a-z0-9]{1,8}"
)
_VARIANT = re.compile(
    re.escape(PROCESSED) + r"([^/]+)/([0-9a-f]{32})(?!(?:-[0-9a-f]{8})?\.(?:png|bmp|bin))"
    r"(?:-([0-9a-f]{10}))?(?:-[0-9a-f]{8})?\.(?:jpg|png|bmp|bin)"
)
"""Only JPEG variants may lack a recipe: those of the legacy system."""


def check(name: str) -> str:
    """Return `name` if it is a valid object name.

    Raises:
        ValueError: The name is empty, too long or absolute, has an empty, `.` or `..` part,
            or contains a backslash, a control character or a lone surrogate.
    """
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise ValueError(f"an object name must have 1 to {MAX_NAME_BYTES:,} bytes")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError(f"the object name {name!r} is not valid Unicode")
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name) or "\\" in name:
        raise ValueError(f"the object name {name!r} contains a control character or a backslash")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"the object name {name!r} contains an empty part, '.' or '..'")
    return name


def _image_id(image_id: str) -> str:
    if not _IMAGE_ID.fullmatch(image_id):
        raise ValueError(f"{image_id!r} is not an image id; expected 32 hex digits in lower case")
    return image_id


MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".avif": "image/avif",
    ".heic": "image/heic",
}
"""Media type of an original by the extension of its name."""


def media_type(name: str) -> str:
    """Return the media type of an original's object name."""
    return MEDIA_TYPES.get(name[name.rfind(".") :], "application/octet-stream")


def original(image_id: str, extension: str) -> str:
    """Return the name of an uploaded file; `extension` includes its dot and is lower case."""
    if not _EXTENSION.fullmatch(extension):
        raise ValueError(f"{extension!r} is not a file extension; expected one such as '.jpg'")
    return f"{ORIGINALS}{_image_id(image_id)}{extension}"


def device_folder(device_key: str) -> str:
    """Return the prefix of a device's variants, which contains the percent-encoded key.

    Raises:
        ValueError: The key is empty, `.` or `..`, or its encoded form is too long for a file system.
    """
    encoded = quote(device_key, safe="")
    if encoded in ("", ".", ".."):
        raise ValueError(f"{device_key!r} is not a valid device key")
    if len(encoded) > MAX_PART_BYTES:
        raise ValueError(f"{device_key!r} is too long: percent-encoded it has more than {MAX_PART_BYTES} characters")
    return f"{PROCESSED}{encoded}/"


def variant(device_key: str, image_id: str, recipe: str, suffix: str = "", extension: str = ".jpg") -> str:
    """Return the name of one device's variant; `suffix` is a crc32c in hex, used if the plain name is taken."""
    if extension not in CONTENT_TYPES:
        raise ValueError(f"{extension!r} is not the extension of a variant; use one of {', '.join(CONTENT_TYPES)}")
    tail = f"-{suffix}" if suffix else ""
    return f"{device_folder(device_key)}{_image_id(image_id)}-{recipe}{tail}{extension}"


def content_type(name: str) -> str:
    """Return the media type of a variant or thumbnail, by the extension of its name."""
    return CONTENT_TYPES.get(name[name.rfind(".") :], "image/jpeg")


def thumbnail(image_id: str, recipe: str, suffix: str = "") -> str:
    """Return the name of a thumbnail. `variant` describes `suffix`."""
    tail = f"-{suffix}" if suffix else ""
    return f"{THUMBNAILS}{_image_id(image_id)}-{recipe}{tail}.jpg"


def sidecar(image_id: str) -> str:
    """Return the name of an image's sidecar, which a task writes before it reports."""
    return f"{METADATA}{_image_id(image_id)}.json"


def record(image_id: str) -> str:
    """Return the name of an image's permanent record."""
    return f"{RECORDS}{_image_id(image_id)}.json"


def archived_sidecar(image_id: str, processed_at: datetime) -> str:
    """Return the name of an imported sidecar: by year and month of `processed_at`, in UTC."""
    moment = processed_at.astimezone(UTC)
    return f"{ARCHIVE}{moment.year:04}/{moment.month:02}/{_image_id(image_id)}.json"


def image_of_sidecar(name: str) -> str | None:
    """Return the image id of a sidecar that is not imported yet, or None if `name` is something else."""
    match = _SIDECAR.fullmatch(name)
    return match[1] if match else None


def is_immutable_variant(name: str) -> bool:
    """Return True for a variant whose name contains its recipe, so that it never gets another content.

    The legacy system writes every size of a device under one name.
    """
    match = _VARIANT.fullmatch(name)
    return bool(match and match[3])


def device_of_variant(name: str) -> tuple[str, str] | None:
    """Return (device key, image id) of a variant's name, with or without a recipe; None for any other name."""
    match = _VARIANT.fullmatch(name)
    return (unquote(match[1]), match[2]) if match else None


def image_of(name: str) -> str | None:
    """Return the id of the image that an object of any kind belongs to; None if it belongs to no image."""
    match = _ANY_OF_IMAGE.fullmatch(name)
    return match[1] if match else None
