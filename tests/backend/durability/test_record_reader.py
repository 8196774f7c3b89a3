"""Damaged records: each one is reported, and none stops a rebuild."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from backend.durability.record_reader import UnreadableRecord, parse_devices, parse_record, read_records
from contract import object_names
from contract.bucket.disk import DiskBucket

IMAGE = "0123456789abcdef" * 2
NAME = object_names.record(IMAGE)
PICTURE = {
    "device": "frame",
    "width": 8,
    "height": 4,
    "filePath": "processed/x",
    "recipe": "0" * 10,
    "processedAt": 1.0,
}
FRAME = {"id": "a", "name": "a", "key": "a", "width": 8, "height": 4, "orientation": "landscape", "recipe": "0" * 10}
FRAME |= {"createdAt": 1.0, "changedAt": 1.0}


@pytest.mark.parametrize(
    "damage",
    [
        {"revision": 2**63},
        {"revision": -1},
        {"byteSize": 10**30},
        {"strikes": 2**31},
        {"imageId": "f" * 32},
        {"fileHash": "f" * 64},
        {"fileHash": ""},
        {"schemaVersion": 99},
        {"results": [PICTURE, PICTURE]},
    ],
)
def test_parse_record_invalid_values_raise_unreadable(damage: dict[str, Any]) -> None:
    good = {"imageId": IMAGE, "revision": 1, "fileHash": IMAGE * 2, "results": [PICTURE]}
    assert parse_record(NAME, json.dumps(good).encode()).results[0].device == "frame"
    with pytest.raises(UnreadableRecord, match=f"^{NAME} "):
        parse_record(NAME, json.dumps({**good, **damage}).encode())


@pytest.mark.parametrize(
    "devices",
    [[FRAME, FRAME], [FRAME, {**FRAME, "id": "b"}], [FRAME, {**FRAME, "key": "b"}], [{**FRAME, "gap": 2**64}]],
)
def test_parse_devices_invalid_values_raise_unreadable(devices: list[dict[str, Any]]) -> None:
    assert parse_devices(json.dumps({"revision": 1, "devices": [FRAME]}).encode()).devices[0].key == "a"
    with pytest.raises(UnreadableRecord, match=r"^state/devices\.json "):
        parse_devices(json.dumps({"revision": 1, "devices": devices}).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b'{"revision": "\xff"}', b'{"more": ' + b"[" * 100_000])
def test_parse_invalid_json_raises_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableRecord, match="is not a valid record of a photo"):
        parse_record(NAME, data)
    with pytest.raises(UnreadableRecord, match="is not a valid record of devices"):
        parse_devices(data)


def test_read_records_names_damaged_ones_in_listing_order(tmp_path: Path) -> None:
    class SlowAtFirst(DiskBucket):
        """The earlier a record stands in the listing, the later it is read."""

        def read(self, name: str, limit: int | None = None) -> bytes:
            time.sleep(0.03 if name < object_names.record("4" * 32) else 0)
            return super().read(name, limit)

    bucket = SlowAtFirst(tmp_path.as_uri())
    names = [object_names.record(digit * 32) for digit in "01234567"]
    for name in names:
        bucket.create(name, b"{}", "application/json")
    unreadable: list[str] = []
    assert [record for batch in read_records(bucket, unreadable=unreadable) for record in batch] == []
    assert unreadable == names
