"""Photos of both orientations for frames, with colours and times, rendered and reported as a task does."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import server
from PIL import Image
from small_photos import PALETTE, jpeg, percent

from contract.split_screen import half_key, half_size

REDS, BLUES = {"#B02020": 900, "#701010": 300}, {"#2030C0": 500, "#101060": 100}


def picture(number: int, width: int, height: int, taken: str | None = None) -> bytes:
    """A small JPEG unlike any other, with the time when it was taken in its EXIF data."""
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    out = io.BytesIO()
    digest = hashlib.sha256(f"frame {number}".encode()).digest()
    tile = Image.frombytes("RGB", (2, 2), digest[:12])
    tile.resize((width, height)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def upload(backend: server.BackendServer, *, wide: int = 0, tall: int = 0, first: int = 0) -> list[str]:
    """Take in so many landscape and portrait photos; their ids."""
    shapes = [(64, 48)] * wide + [(48, 64)] * tall
    return [
        str(backend.upload(picture(first + number, *shape), f"photo-{first + number}.jpg")["id"])
        for number, shape in enumerate(shapes)
    ]


def sizes(backend: server.BackendServer) -> dict[str, tuple[int, int]]:
    """The size of each device's picture, and of its halves."""
    found: dict[str, tuple[int, int]] = {}
    for device in backend.admin.get("/api/devices").json()["devices"]:
        found[device["key"]] = device["width"], device["height"]
        if device["pairs"] and (half := half_size(device["width"], device["height"], device["gap"])):
            found[half_key(device["key"])] = half
    return found


def render(
    backend: server.BackendServer, claimed: list[dict[str, Any]], colours: dict[str, dict[str, int]] | None = None
) -> None:
    """Report all that was asked for, halves too; `colours` are the histograms of some of the photos."""
    known = sizes(backend)
    rows, outcomes = [], []
    for image in claimed:
        for item in image["work"]:
            width, height = known[item["device"]]
            name = f"processed/{percent(item['device'])}/{image['id']}-{item['recipe']}.jpg"
            rows.append(
                {
                    "imageId": image["id"],
                    "deviceSize": item["device"],
                    "width": width,
                    "height": height,
                    "filePath": backend.store(name, jpeg(width, height)),
                    "colorPalette": PALETTE,
                    "lease": image["lease"],
                    "recipe": item["recipe"],
                }
            )
        told = {"imageId": image["id"], "lease": image["lease"], "colorPalette": PALETTE}
        outcomes.append({**told, "histogram": (colours or {}).get(image["id"], REDS)})
    answer = backend.processor.post("/api/processed-images", json={"images": rows, "outcomes": outcomes})
    assert answer.json() == {"inserted": len(rows)}, answer.text
