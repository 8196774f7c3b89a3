"""Write a HEIC file without an HEVC encoder: one block of 32 x 32 pixels, stored as uncompressed samples.

The bits follow ITU-T H.265 (2021): parameter sets 7.3.2, slice 7.3.6, `pcm_sample` 7.3.8.7, arithmetic coder 9.3.4.
The boxes follow ISO/IEC 23008-12 and 14496-12. None of the libraries in use encodes HEVC.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SIDE = 32
_PROFILE = bytes([3, 0x70, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 30])  # Main Still Picture, level 1


class Bits:
    """Collects bits in order; `u` appends fixed-width numbers, `ue` Exp-Golomb numbers (9.2)."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, *pairs: tuple[int, int]) -> None:
        for width, value in pairs:
            self.text += format(value, f"0{width}b")

    def flags(self, text: str) -> None:
        self.text += text.replace(" ", "")

    def ue(self, *values: int) -> None:
        for value in values:
            digits = format(value + 1, "b")
            self.text += "0" * (len(digits) - 1) + digits

    def aligned(self) -> bytes:
        """Return all bits, then a 1 and zeros up to a whole byte (7.3.2.11)."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _unit(kind: int, body: bytes) -> bytes:
    """Return a NAL unit; a byte 3 is inserted wherever the body would contain a start code (7.3.1.1)."""
    out, zeros = bytearray([kind << 1, 1]), 0
    for byte in body:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def _video_parameters() -> bytes:
    bits = Bits()
    bits.u((4, 0), (2, 3), (6, 0), (3, 0), (1, 1), (16, 0xFFFF), (96, int.from_bytes(_PROFILE, "big")), (1, 1))
    bits.ue(0, 0, 0)
    bits.u((6, 0))
    bits.ue(0)
    bits.flags("00")
    return _unit(32, bits.aligned())


def _sequence_parameters() -> bytes:
    bits = Bits()
    bits.u((4, 0), (3, 0), (1, 1), (96, int.from_bytes(_PROFILE, "big")))
    bits.ue(0, 1, SIDE, SIDE)  # 4:2:0
    bits.flags("0")
    bits.ue(0, 0, 0)
    bits.flags("1")
    bits.ue(0, 0, 0)
    bits.ue(2, 0, 0, 3, 0, 0)  # blocks of 32 pixels, smallest and largest
    bits.flags("0 0 0 1")  # no scaling list, no AMP, no SAO; PCM
    bits.u((4, 7), (4, 7))
    bits.ue(2, 0)
    bits.flags("1")
    bits.ue(0)
    bits.flags("0 0 0 0 0")
    return _unit(33, bits.aligned())


def _picture_parameters() -> bytes:
    bits = Bits()
    bits.ue(0, 0)
    bits.flags("0 0 000 0 0")
    bits.ue(0, 0, 0)
    bits.flags("0 0 0")
    bits.ue(0, 0)
    bits.flags("0 0 0 0 0 0 0")
    bits.flags("1 0 1")  # deblocking: set here, no override, off
    bits.flags("0 0")
    bits.ue(0)
    bits.flags("0 0")
    return _unit(34, bits.aligned())


def _ended(interval: int) -> str:
    """Return the bits that end arithmetic coding at this interval width, except the last one.

    No bit may have been written before. The bits are the lower end of the interval's last two values (`EncodeFlush`),
    without the first bit, which the coder suppresses.
    """
    return format(interval - 2, "010b")[1:-1]


def _slice(samples: bytes) -> bytes:
    bits = Bits()
    bits.flags("1 0")
    bits.ue(0, 2)  # only intra-coded
    bits.ue(0)
    head = bits.aligned()
    # `part_mode` is the likelier symbol of a state that halves: 270 of 510 stay. Then `pcm_flag` ends the coding.
    coded = Bits()
    coded.flags(_ended(270))
    block = coded.aligned()
    last = Bits()
    last.flags(_ended(510))
    return _unit(19, head + block + samples + last.aligned())


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of this kind, which begins with its length."""
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *content)


def _configuration(units: Iterable[bytes]) -> bytes:
    arrays = b"".join(bytes([0x80 | unit[0] >> 1, 0, 1]) + struct.pack(">H", len(unit)) + unit for unit in units)
    return b"\1" + _PROFILE + bytes([0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, 3]) + arrays


def heic(y: NDArray[np.uint8], cb: NDArray[np.uint8], cr: NDArray[np.uint8], *properties: bytes) -> bytes:
    """Return the file; `y` has shape (32, 32), `cb` and `cr` (16, 16). `properties` are further item property boxes."""
    assert (y.shape, cb.shape, cr.shape) == ((SIDE, SIDE), (SIDE // 2, SIDE // 2), (SIDE // 2, SIDE // 2))
    picture = _slice(y.tobytes() + cb.tobytes() + cr.tobytes())
    data = struct.pack(">I", len(picture)) + picture
    boxes = [
        box(b"hvcC", _configuration((_video_parameters(), _sequence_parameters(), _picture_parameters()))),
        _full(b"ispe", struct.pack(">II", SIDE, SIDE)),
        *properties,
    ]
    numbers = bytes([0x80 | 1, *range(2, len(boxes) + 1)])
    kind = box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(offset: int) -> bytes:
        return _full(
            b"meta",
            _full(b"hdlr", bytes(4), b"pict", bytes(13)),
            _full(b"pitm", struct.pack(">H", 1)),
            _full(b"iinf", struct.pack(">H", 1), _full(b"infe", struct.pack(">HH", 1, 0), b"hvc1\0", version=2)),
            box(b"iprp", box(b"ipco", *boxes), _full(b"ipma", struct.pack(">IHB", 1, 1, len(boxes)), numbers)),
            _full(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, len(data))),
        )

    return kind + meta(len(kind) + len(meta(0)) + 8) + box(b"mdat", data)


def grey_ramp(*properties: bytes) -> bytes:
    """Return a grey image that rises from black to white row by row, in limited range (16 to 235)."""
    rows = np.linspace(16, 235, SIDE).round().astype(np.uint8)
    neutral = np.full((SIDE // 2, SIDE // 2), 128, np.uint8)
    return heic(np.repeat(rows[:, None], SIDE, axis=1), neutral, neutral, *properties)
