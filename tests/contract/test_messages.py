"""Messages: the JSON names that clients depend on, and compatibility with older and newer peers."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import admin, devices, frames, processing, sidecars
from contract.messages.processing import Device, DeviceName, orientation_of

ID = "0123456789abcdef0123456789abcdef"
PALETTE = {
    "primary": "#112233",
    "secondary": "#AABBCC",
    "tertiary": "#000000",
    "sourceColor": "#FFFFFF",
    "allColors": ["#112233"] * 8,
}

# Messages that clients of the legacy API send and read: exactly these names, without any of our own fields.
LEGACY_MESSAGES: list[tuple[type, dict[str, Any]]] = [
    (
        processing.PendingImage,
        {"id": ID, "file_path": "gs://b/images/originals/x.jpg", "width": 4, "height": 3, "orientation": "landscape"},
    ),
    (processing.AttemptStart, {"attempt": 0}),
    (
        processing.AttemptAnswer,
        {"attempt": 1, "devices": [{"name": "small", "width": 800, "height": 480, "orientation": "landscape"}]},
    ),
    (
        processing.ProcessedImages,
        {
            "images": [
                {
                    "imageId": ID,
                    "deviceSize": "small",
                    "width": 800,
                    "height": 480,
                    "filePath": "gs://b/processed/small/x.jpg",
                    "colorPalette": PALETTE,
                }
            ]
        },
    ),
    (processing.ProcessedAnswer, {"inserted": 1}),
    (
        processing.ProcessedAnswer,
        {"inserted": 0, "errors": [{"imageId": ID, "deviceSize": "small", "error": "no"}]},
    ),
    (processing.Failure, {"error": "it broke", "attempt": 1}),
    (processing.Success, {"success": True}),
    (
        sidecars.Sidecar,
        {
            "imageId": ID,
            "processedAt": "2025-01-31T12:00:00.000Z",
            "results": [
                {
                    "deviceSize": "small",
                    "width": 800,
                    "height": 480,
                    "filePath": "gs://b/processed/small/x.jpg",
                    "colors": ["#112233"],
                    "primary": "#112233",
                    "secondary": "#112233",
                    "tertiary": "#112233",
                }
            ],
        },
    ),
    (devices.DeviceBody, {"name": "small", "width": 800, "height": 480}),
    (
        devices.DeviceBody,
        {"id": "1", "name": "small", "width": 800, "height": 480, "orientation": "landscape"},
    ),
    (devices.DeviceSaved, {"success": True, "deviceId": "1"}),
    (
        frames.Slideshow,
        {
            "deviceId": "1",
            "queue": [
                {
                    "imageId": ID,
                    "filePath": "gs://b/processed/small/x.jpg",
                    "colorPalette": PALETTE,
                    "isPaired": False,
                    "pairedWith": None,
                    "pairedFilePath": None,
                }
            ],
            "currentIndex": 0,
            "generatedAt": "2025-01-31T12:00:00Z",
        },
    ),
    (admin.Login, {"password": "x"}),
]


def _names(value: Any) -> Any:
    """Return the nested names of a JSON value."""
    if isinstance(value, dict):
        return {name: _names(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_names(inner) for inner in value]
    return None


def _contains(larger: Any, smaller: Any) -> bool:
    if isinstance(smaller, dict):
        return all(name in larger and _contains(larger[name], inner) for name, inner in smaller.items())
    if isinstance(smaller, list):
        return all(_contains(*pair) for pair in zip(larger, smaller, strict=True))
    return bool(larger == smaller)


@pytest.mark.parametrize(("kind", "body"), LEGACY_MESSAGES, ids=lambda value: getattr(value, "__name__", ""))
class TestLegacyApi:
    def test_legacy_fields_are_sufficient(self, kind: type, body: dict[str, Any]) -> None:
        msgspec.json.decode(msgspec.json.encode(body), type=kind)

    def test_legacy_fields_keep_names_and_values(self, kind: type, body: dict[str, Any]) -> None:
        decoded: Any = msgspec.json.decode(msgspec.json.encode(body), type=kind)
        written = msgspec.json.decode(msgspec.json.encode(decoded))
        assert _contains(written, body), _names(written)

    def test_unknown_fields_are_ignored(self, kind: type, body: dict[str, Any]) -> None:
        newer = {**body, "fieldOfTomorrow": {"deep": [1, None, "x"]}}
        assert msgspec.json.decode(msgspec.json.encode(newer), type=kind) == msgspec.convert(body, kind)


def _legacy_fields(kind: type) -> set[str]:
    return {name for legacy_kind, body in LEGACY_MESSAGES if legacy_kind is kind for name in body}


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in LEGACY_MESSAGES}, key=str))
def test_fields_outside_the_legacy_api_have_a_default(kind: type) -> None:
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    assert required <= _legacy_fields(kind)


# Required fields of the first release. A further required field would break an older peer.
REQUIRED = {
    "ClaimRequest": {"owner"},
    "ClaimAnswer": {"images", "devices"},
    "ClaimedImage": {"id", "filePath", "width", "height", "orientation", "lease", "leaseUntil"},
    "WorkItem": {"device", "recipe"},
    "LeaseList": {"leases"},
    "LeaseAnswer": {"held"},
    "ImageOutcome": {"imageId", "lease", "colorPalette"},
    "Thumbnail": {"filePath", "width", "height"},
}


@pytest.mark.parametrize(("name", "required"), REQUIRED.items())
def test_required_fields_do_not_grow(name: str, required: set[str]) -> None:
    fields = msgspec.structs.fields(getattr(processing, name))
    assert {field.encode_name for field in fields if field.required} == required


def test_every_message_is_frozen_and_ignores_unknown_fields() -> None:
    seen = 0
    for module in (processing, admin, devices, frames, sidecars):
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__:
                assert kind.__struct_config__.frozen, name
                assert not kind.__struct_config__.forbid_unknown_fields, name
                seen += 1
    assert seen > 40


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (processing.ClaimRequest, {"owner": "x", "limit": 51}, "limit"),
        (processing.ClaimRequest, {"owner": ""}, "owner"),
        (processing.ClaimRequest, {"owner": "x", "claimId": "short"}, "claimId"),
        (processing.ClaimRequest, {"owner": "x", "shards": 0}, "shards"),
        (processing.AttemptStart, {"attempt": -1}, "attempt"),
        (processing.AttemptStart, {"lease": "a b"}, "lease"),
        (processing.Failure, {"error": 7}, "error"),
        (processing.Palette, {**PALETTE, "primary": "#abcdef"}, "primary"),
        (processing.Palette, {**PALETTE, "allColors": []}, "allColors"),
        (processing.Palette, {**PALETTE, "allColors": ["#000000"] * 9}, "allColors"),
        (devices.DeviceBody, {"name": "a", "width": 0, "height": 1}, "width"),
        (devices.DeviceBody, {"name": "a", "width": 1, "height": 8193}, "height"),
        (devices.DeviceBody, {"name": "..", "width": 1, "height": 1}, "name"),
        (devices.DeviceBody, {"name": "a/b", "width": 1, "height": 1}, "name"),
        (devices.DeviceBody, {"name": "a", "id": "x\n", "width": 1, "height": 1}, "id"),
    ],
)
def test_validation_error_names_the_field(kind: type, body: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{field}"):
        msgspec.json.decode(msgspec.json.encode(body), type=kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (processing.ImageId, ID),
        (processing.Colour, "#ABCDEF"),
        (processing.RecipeId, "0123456789"),
        (processing.LeaseToken, "a.b-c_d"),
        (DeviceName, "small"),
    ],
)
def test_trailing_line_feed_is_rejected(kind: Any, text: str) -> None:
    assert msgspec.convert(text, kind) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text + "\n", kind)


@pytest.mark.parametrize("name", ["a\n", "a\x00", "a\u0085", "\x7f", "a\\b", ".", "..", "/", "", "x" * 65])
def test_hostile_device_name_is_rejected(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, DeviceName)


def test_device_derives_id_key_and_orientation() -> None:
    device = Device(name="Küche", width=480, height=800)
    assert (device.id, device.key, device.orientation) == ("Küche", "Küche", "portrait")
    named = Device(id="7", name="Küche", key="old", width=480, height=800, orientation="square")
    assert (named.id, named.key, named.orientation) == ("7", "old", "square")


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (100, 100, "square"),
        (104, 100, "square"),
        (105, 100, "landscape"),
        (96, 100, "square"),
        (95, 100, "portrait"),
        (1, 8192, "portrait"),
        (8192, 1, "landscape"),
    ],
)
def test_orientation_of_sizes_around_the_limits(width: int, height: int, expected: str) -> None:
    assert orientation_of(width, height) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_orientation_follows_the_longer_side(width: int, height: int) -> None:
    orientation = orientation_of(width, height)
    if width == height:
        assert orientation == "square"
    if orientation == "landscape":
        assert width > height
    if orientation == "portrait":
        assert width < height
