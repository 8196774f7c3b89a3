"""Photos for frames: small photos of both orientations, rendered and reported as a task does, and a frame's queue."""

from __future__ import annotations

import hashlib
import io
from typing import Any
from urllib.parse import quote

import httpx
from PIL import Image

from contract.split_screen import split_key, split_size
from tests.support import server
from tests.support.small_photos import PALETTE, jpeg, percent

REDS, BLUES = {"#B02020": 900, "#701010": 300}, {"#2030C0": 500, "#101060": 100}


def picture(number: int, width: int, height: int, taken: str | None = None) -> bytes:
    """Return a small JPEG that differs by `number`, with the capture time `taken` in its EXIF data."""
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    out = io.BytesIO()
    digest = hashlib.sha256(f"frame {number}".encode()).digest()
    tile = Image.frombytes("RGB", (2, 2), digest[:12])
    tile.resize((width, height)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def upload(backend: server.BackendServer, *, wide: int = 0, tall: int = 0, first: int = 0) -> list[str]:
    """Upload `wide` landscape and `tall` portrait photos, numbered from `first`; return their ids."""
    shapes = [(64, 48)] * wide + [(48, 64)] * tall
    return [
        str(backend.upload(picture(first + number, *shape), f"photo-{first + number}.jpg")["id"])
        for number, shape in enumerate(shapes)
    ]


def sizes(backend: server.BackendServer) -> dict[str, tuple[int, int]]:
    """Return the size of each device's variant, and of its split-screen variants, by device key."""
    by_key: dict[str, tuple[int, int]] = {}
    for device in backend.admin.get("/api/devices").json()["devices"]:
        by_key[device["key"]] = device["width"], device["height"]
        if device["pairs"] and (half := split_size(device["width"], device["height"], device["gap"])):
            by_key[split_key(device["key"])] = half
    return by_key


def render(
    backend: server.BackendServer, claimed: list[dict[str, Any]], colours: dict[str, dict[str, int]] | None = None
) -> None:
    """Render and report all variants of the claimed images; `colours` sets the histograms of some by image id."""
    by_key = sizes(backend)
    rows, outcomes = [], []
    for image in claimed:
        for item in image["work"]:
            width, height = by_key[item["device"]]
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
        outcome = {"imageId": image["id"], "lease": image["lease"], "colorPalette": PALETTE}
        outcomes.append({**outcome, "histogram": (colours or {}).get(image["id"], REDS)})
    response = backend.processor.post("/api/processed-images", json={"images": rows, "outcomes": outcomes})
    assert response.json() == {"inserted": len(rows)}, response.text


def finished(backend: server.BackendServer, number: int, *devices: str) -> list[str]:
    """Create devices and `number` photos, and render the photos for them; return the ids of the photos."""
    for name in devices:
        backend.add_device(name)
    uploaded = backend.upload_photos(number)
    backend.finish(backend.claim("run/0"))
    return uploaded


def queue(client: httpx.Client, device: str) -> list[dict[str, Any]]:
    """Return the queue of a device's slideshow."""
    response = client.get(f"/api/devices/{quote(device, safe='')}/slideshow")
    assert response.status_code == 200, response.text
    entries: list[dict[str, Any]] = response.json()["queue"]
    return entries
