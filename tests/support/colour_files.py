"""24 patches, their encoding by code points in float, profiles, and delta E 2000: written apart from the renderer."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.picture_measures import lab

Floats = NDArray[np.float64]
Primaries = tuple[tuple[tuple[float, float], ...], tuple[float, float]]

_D65 = (0.3127, 0.3290)
PRIMARIES: dict[int, Primaries] = {
    1: (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), _D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), (0.310, 0.316)),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), _D65),
    6: (((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)), _D65),
    7: (((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)), _D65),
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), (0.310, 0.316)),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), _D65),
    10: (((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)), (1 / 3, 1 / 3)),
    11: (((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), (0.314, 0.351)),
    12: (((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), _D65),
    22: (((0.63, 0.34), (0.295, 0.605), (0.155, 0.077)), _D65),
}
"""H.273, table 2."""


def _patches() -> Floats:
    """Return 24 colours inside of the gamut of all primaries: 12 hues at two saturations, light and dark."""
    colours = []
    for step in range(24):
        hue, level, depth = step * 2 * np.pi / 12, 0.35 + 0.25 * (step % 3), 0.06 + 0.09 * (step // 12)
        colours.append([level + depth * np.cos(hue - shift) for shift in (0, 2 * np.pi / 3, 4 * np.pi / 3)])
    return np.array(colours)


PATCHES = _patches()
"""sRGB, 0 to 1, of shape (24, 3)."""


def _to_xyz(primaries: Primaries) -> Floats:
    columns = np.array(
        [[x / y, 1, (1 - x - y) / y] if y else [1.0, 0, 0] if x else [0, 0, 1.0] for x, y in primaries[0]]
    ).T
    white = np.array([primaries[1][0] / primaries[1][1], 1, (1 - sum(primaries[1])) / primaries[1][1]])
    result: Floats = columns @ np.diag(np.linalg.inv(columns) @ white)
    return result


def _bradford(source: tuple[float, float], target: tuple[float, float]) -> Floats:
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    first, second = (cone @ [x / y, 1, (1 - x - y) / y] for x, y in (source, target))
    return np.linalg.inv(cone) @ np.diag(second / first) @ cone


def _matrix(primaries: Primaries) -> Floats:
    """Return linear RGB to linear sRGB."""
    return np.linalg.inv(_to_xyz(PRIMARIES[1])) @ _bradford(primaries[1], _D65) @ _to_xyz(primaries)


def srgb_to_light(value: Floats) -> Floats:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def light_to_srgb(light: Floats) -> Floats:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _transfer(light: Floats, transfer: int) -> Floats:
    """Return the signal of light: the formulas of H.273, table 3."""
    light = np.maximum(light, 0)
    if transfer in (1, 6, 11, 12, 14, 15):
        return np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099)
    if transfer == 7:
        return np.where(light < 0.0228, 4 * light, 1.1115 * light**0.45 - 0.1115)
    if transfer in (9, 10):
        return np.maximum(1 + np.log10(np.maximum(light, 1e-9)) / (2 if transfer == 9 else 2.5), 0)
    powers = {4: 1 / 2.2, 5: 1 / 2.8, 8: 1.0}
    if transfer in powers:
        return light ** powers[transfer]
    if transfer == 17:
        return (48 * light / 52.37) ** (1 / 2.6)
    assert transfer == 13
    return light_to_srgb(light)


def _inverse(signal: Floats, transfer: int) -> Floats:
    """Return the light of a signal by a fine table of `_transfer`."""
    light = np.linspace(0, 1.1, 2_000_001)
    return np.interp(signal, _transfer(light, transfer), light)


def encode(srgb: Floats, primaries: int | Primaries, transfer: int) -> Floats:
    """Return sRGB colours as a signal with these code points."""
    chosen = PRIMARIES[primaries] if isinstance(primaries, int) else primaries
    return _transfer(srgb_to_light(srgb) @ np.linalg.inv(_matrix(chosen)).T, transfer)


def shown(signal: Floats, primaries: int, transfer: int) -> Floats:
    """Return a signal with these code points as sRGB."""
    return light_to_srgb(_inverse(signal, transfer) @ _matrix(PRIMARIES[primaries]).T)


def tone_mapped(signal: Floats, transfer: int, primaries: int) -> Floats:
    """Return sRGB of an HDR signal by the documented tone curve: knee 0.6, reference white 203 cd/m2, HLG at 0.75."""
    if transfer == 16:
        power = signal ** (32 / 2523)
        light = (np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305) * 10_000 / 203
    else:
        a = 0.17883277
        b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)

        def scene(value: Any) -> Any:
            return np.where(value <= 0.5, np.square(value) / 3, (np.exp((value - c) / a) + b) / 12)

        light = (scene(signal) / scene(0.75)) ** 1.2
    over = np.maximum(light - 0.6, 0) / 0.4
    light = np.where(light <= 0.6, light, 0.6 + 0.4 * over / (1 + over))
    return light_to_srgb(light @ _matrix(PRIMARIES[primaries]).T)


def patch_image(patches: Floats) -> NDArray[np.uint8]:
    """Return 24 patches of 64 x 64 pixels in 4 rows: uint8 of shape (256, 384, 3)."""
    levels = np.rint(np.clip(patches, 0, 1) * 255).astype(np.uint8)
    return np.kron(levels.reshape(4, 6, 3), np.ones((64, 64, 1), np.uint8))


def patches_of(pixels: NDArray[np.uint8]) -> Floats:
    """Return the mean colour of each patch, 0 to 1."""
    assert pixels.shape == (256, 384, 3)
    inner = pixels.reshape(4, 64, 6, 64, 3)[:, 16:48, :, 16:48]
    result: Floats = inner.mean(axis=(1, 3)).reshape(24, 3) / 255
    return result


def delta_e(first: Floats, second: Floats) -> Floats:
    """Return CIEDE2000 of sRGB colours (Sharma, Wu and Dalal, 2005)."""
    one, two = lab(first * 255), lab(second * 255)  # type: ignore[arg-type]
    mean_chroma = (np.hypot(one[:, 1], one[:, 2]) + np.hypot(two[:, 1], two[:, 2])) / 2
    g = 0.5 * (1 - np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7)))
    a1, a2 = one[:, 1] * (1 + g), two[:, 1] * (1 + g)
    c1, c2 = np.hypot(a1, one[:, 2]), np.hypot(a2, two[:, 2])
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, one[:, 2]), (a2, two[:, 2])))
    turn = (h2 - h1 + 180) % 360 - 180
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    h = np.radians((h1 + turn / 2) % 360)
    light, c = (one[:, 0] + two[:, 0]) / 2, (c1 + c2) / 2
    t = 1 - 0.17 * np.cos(h - np.pi / 6) + 0.24 * np.cos(2 * h) + 0.32 * np.cos(3 * h + np.radians(6))
    t -= 0.20 * np.cos(4 * h - np.radians(63))
    sl = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    rotation = (
        -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60) * np.exp(-(((np.degrees(h) - 275) / 25) ** 2)))
    )
    dl, dc = (two[:, 0] - one[:, 0]) / sl, (c2 - c1) / sc
    result: Floats = np.sqrt(np.maximum(dl**2 + dc**2 + (dh / sh) ** 2 + rotation * dc * dh / sh, 0))
    return result


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, blob, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(blob), len(body))
        blob += body + bytes(-len(body) % 4)
    white = struct.pack(">iii", 63190, 65536, 54061)
    head = (
        struct.pack(">I4sI", start + len(blob), bytes(4), 0x04300000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    )
    return (head + bytes(28) + white).ljust(128, b"\0") + table + blob


def _curve(transfer: int) -> bytes:
    light = _inverse(np.linspace(0, 1, 4096), transfer)
    return b"curv" + bytes(4) + struct.pack(">I4096H", 4096, *np.rint(np.clip(light, 0, 1) * 65535).astype(int))


_WHITE = b"XYZ " + bytes(4) + struct.pack(">iii", 63190, 65536, 54061)
_TEXT = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 2, 28) + b"\0x\0\0"


def rgb_profile(primaries: int, transfer: int, cicp: bytes = b"") -> bytes:
    """Return an ICC profile of version 4 with a matrix and curves, and with a `cicp` tag if one is given."""
    chosen = PRIMARIES[primaries]
    columns = (_bradford(chosen[1], (0.34567, 0.35850)) @ _to_xyz(chosen)).T
    tags = {b"desc": _TEXT, b"cprt": _TEXT, b"wtpt": _WHITE}
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        tags[name] = b"XYZ " + bytes(4) + struct.pack(">iii", *np.rint(column * 65536).astype(int))
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = _curve(transfer)
    if cicp:
        tags[b"cicp"] = b"cicp" + bytes(4) + cicp
    return _profile(b"RGB ", tags)


def gray_profile(gamma: float) -> bytes:
    """Return an ICC profile for grey with a power curve."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)
    return _profile(b"GRAY", {b"desc": _TEXT, b"cprt": _TEXT, b"wtpt": _WHITE, b"kTRC": curve})


def adobe_exif() -> Image.Exif:
    """Return EXIF data that declare Adobe RGB, as cameras do."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    details = exif.get_ifd(0x8769)
    details[0xA001] = 65535
    details[0xA005] = {1: "R03"}
    return exif
