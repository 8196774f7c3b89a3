"""Untrusted names and addresses: of objects and files, in reports and in routes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from backend.api.uploads import tidy_name
from backend.durability.sidecar_import import PathValidator
from contract import object_names
from contract.bucket.port import name_in, uri_of
from contract.recipes import recipe
from processor.errors import NotAnImage, printable_name
from tests.fuzz.library import BUCKET_URL, IMAGE, Addresses
from tests.fuzz.sentences import check_message

BUCKET = Addresses()
PATHS = PathValidator(BUCKET)
DEVICE = "küche/half"


def seeds() -> Sequence[bytes]:
    variant = object_names.variant(DEVICE, IMAGE, recipe(800, 480), "0123abcd")
    named = [
        variant,
        f"{BUCKET_URL}/{variant}",
        object_names.thumbnail(IMAGE, recipe(200, 200)),
        object_names.sidecar(IMAGE),
        object_names.record(IMAGE),
        f"images/metadata/archive/2024/05/{IMAGE}.json",
        f"images/originals/{IMAGE}.heic",
        f"processed/frame/{IMAGE}.jpg",
        "C:\\photos\\../holiday \u202e photo.jpg",
        "processed/../state/devices.json",
        "file:///etc/passwd",
    ]
    return [name.encode() for name in named]


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for parsed in (object_names.image_of(text), object_names.image_of_sidecar(text)):
        assert parsed is None or object_names.sidecar(parsed)
    try:
        name = name_in(BUCKET, text)
    except ValueError as error:
        check_message(error, start="", end="")
    else:
        assert object_names.check(name) == name
        assert not {"", ".", ".."} & set(name.split("/"))
        name.encode()
    parsed_variant = object_names.device_of_variant(text)
    for device, image in (parsed_variant, (DEVICE, IMAGE)) if parsed_variant else ((DEVICE, IMAGE),):
        try:
            stored = PATHS.variant_uri(text, device, image)
        except ValueError as error:
            check_message(error, start="", end="")
        else:
            assert stored.startswith(uri_of(BUCKET, object_names.PROCESSED))
    try:
        assert PATHS.thumbnail_uri(text, image).startswith(uri_of(BUCKET, object_names.THUMBNAILS))
    except ValueError as error:
        check_message(error, start="", end="")
    tidy = tidy_name(text)
    assert 1 <= len(tidy) <= 200
    assert "/" not in tidy
    assert "\\" not in tidy
    assert all(unicodedata.category(character)[0] != "C" for character in tidy)
    assert printable_name(text).isprintable()
    assert str(NotAnImage(text, "is empty")).isprintable()
    _check_device_folder(text)


def _check_device_folder(device: str) -> None:
    """Check that the folder of a device is one path component, for any device key."""
    try:
        folder = object_names.device_folder(device)
    except ValueError as error:  # also half a surrogate pair, which has no bytes
        check_message(error, start="", end="")
        return
    assert object_names.check(f"{folder}x").count("/") == 2
    variant = object_names.variant(device, IMAGE, recipe(800, 480))
    assert object_names.device_of_variant(variant) == (device, IMAGE)
