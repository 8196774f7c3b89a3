"""Read colour, depth and chroma from the headers of AV1 and HEVC bitstreams.

Sources: AV1 Bitstream Specification, 5.3 and 5.5; AV1-ISOBMFF, 2.3; ITU-T H.265, 7.3.2.2, 7.3.3 and E.2.1;
ISO/IEC 14496-15, 8.3.3.
"""

from __future__ import annotations

from msgspec import Struct

from contract.image_header.model import CodePoints

_MAX_ITEM_BYTES = 4096
_SEQUENCE_HEADER, _SEQUENCE_PARAMETERS = 1, 33
_EXTENDED_ASPECT = 255


class BitstreamFacts(Struct, frozen=True):
    """Depth, chroma and colour of a coded image; `colour` is None if its header declares none."""

    bits: int = 8
    monochrome: bool = False
    colour: CodePoints | None = None


class BitsExhausted(ValueError):
    """A bitstream ends inside of its header."""


class Bits:
    """Reads bits, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def u(self, width: int) -> int:
        """Return an unsigned number of `width` bits."""
        self._left -= width
        if self._left < 0:
            raise BitsExhausted
        return self._value >> self._left & ((1 << width) - 1)

    def ue(self) -> int:
        """Return an Exp-Golomb number (H.265, 9.2)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise BitsExhausted
        return (1 << zeros) - 1 + self.u(zeros)

    def skip(self, *widths: int) -> None:
        """Skip numbers of these widths."""
        self.u(sum(widths))


def av1_facts(configuration: bytes, item: bytes) -> BitstreamFacts | None:
    """Return the facts of an AV1 item from its `av1C` box and the beginning of its data; None without `av1C`."""
    if len(configuration) < 4:
        return None
    flags = configuration[2]
    bits = (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    monochrome = bool(flags & 0x10)
    for units in (item, configuration[4:]):  # the decoder uses the sequence header of the data
        try:
            colour = _av1_colour(units[:_MAX_ITEM_BYTES])
        except BitsExhausted:
            continue
        if colour is not None:
            return BitstreamFacts(bits, monochrome, colour)
    return BitstreamFacts(bits, monochrome)


def _av1_colour(units: bytes) -> CodePoints | None:
    position = 0
    while position + 2 <= len(units):
        head = units[position]
        position += 2 if head & 4 else 1
        size, shift = len(units) - position, 0
        if head & 2:
            size = 0
            while position < len(units) and shift < 56:
                byte = units[position]
                size |= (byte & 127) << shift
                position, shift = position + 1, shift + 7
                if byte < 128:
                    break
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            return _sequence_colour(Bits(units[position : position + size]))
        position += size
    return None


def _sequence_colour(bits: Bits) -> CodePoints:
    """Read a sequence header (5.5.1) up to its colour configuration (5.5.2)."""
    profile = bits.u(3)
    bits.u(1)
    reduced = bits.u(1)
    if reduced:
        bits.u(5)
    else:
        model = False
        delay = 0
        if bits.u(1):  # timing information
            bits.skip(32, 32)
            if bits.u(1):
                bits.ue()
            model = bool(bits.u(1))
            if model:
                delay = bits.u(5) + 1
                bits.skip(32, 5, 5)
        display_delay = bits.u(1)
        for _ in range(bits.u(5) + 1):
            bits.u(12)
            if bits.u(5) > 7:
                bits.u(1)
            if model and bits.u(1):
                bits.skip(delay, delay, 1)
            if display_delay and bits.u(1):
                bits.u(4)
    width, height = bits.u(4) + 1, bits.u(4) + 1
    bits.skip(width, height)
    if not reduced and bits.u(1):
        bits.skip(4, 3)
    bits.skip(1, 1, 1)
    if not reduced:
        bits.skip(1, 1, 1, 1)
        if bits.u(1):  # order hints
            bits.skip(1, 1)
            hints = True
        else:
            hints = False
        force_screen = 2 if bits.u(1) else bits.u(1)
        if force_screen and not bits.u(1):
            bits.u(1)
        if hints:
            bits.u(3)
    bits.skip(1, 1, 1)
    high = bits.u(1)
    if profile == 2 and high:
        bits.u(1)
    monochrome = 0 if profile == 1 else bits.u(1)
    primaries = transfer = matrix = 2
    if bits.u(1):
        primaries, transfer, matrix = bits.u(8), bits.u(8), bits.u(8)
    if not monochrome and (primaries, transfer, matrix) == (1, 13, 0):
        return CodePoints(primaries, transfer, matrix, True)  # sRGB as RGB has no range bit
    return CodePoints(primaries, transfer, matrix, bool(bits.u(1)))


def hevc_facts(configuration: bytes) -> BitstreamFacts | None:
    """Return the facts of an HEVC item from its `hvcC` box; None if the box is too short."""
    if len(configuration) < 23:
        return None
    bits, monochrome = (configuration[17] & 7) + 8, configuration[16] & 3 == 0
    position = 23
    for _ in range(configuration[22]):
        if position + 3 > len(configuration):
            break
        kind, count = configuration[position] & 63, int.from_bytes(configuration[position + 1 : position + 3], "big")
        position += 3
        for _ in range(min(count, 64)):
            size = int.from_bytes(configuration[position : position + 2], "big")
            unit = configuration[position + 2 : position + 2 + min(size, _MAX_ITEM_BYTES)]
            position += 2 + size
            if kind == _SEQUENCE_PARAMETERS:
                try:
                    return _sequence_parameters(Bits(_unescaped(unit[2:])))
                except BitsExhausted:
                    return BitstreamFacts(bits, monochrome)
    return BitstreamFacts(bits, monochrome)


def _unescaped(data: bytes) -> bytes:
    """Remove the bytes that keep start codes out of a NAL unit (7.4.2)."""
    return data.replace(b"\0\0\3", b"\0\0")


def _sequence_parameters(bits: Bits) -> BitstreamFacts:
    """Read a sequence parameter set (7.3.2.2) up to the colour description of its VUI (E.2.1)."""
    bits.u(4)
    layers = bits.u(3)
    bits.u(1)
    _skip_profile(bits, layers)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.u(1)
    bits.ue()
    bits.ue()
    if bits.u(1):
        for _ in range(4):
            bits.ue()
    depth = bits.ue() + 8
    bits.ue()
    order_bits = bits.ue() + 4
    for _ in range(layers + 1 if bits.u(1) else 1):
        for _ in range(3):
            bits.ue()
    for _ in range(6):
        bits.ue()
    if bits.u(1) and bits.u(1):
        _skip_scaling_lists(bits)
    bits.skip(1, 1)
    if bits.u(1):
        bits.skip(4, 4)
        bits.ue()
        bits.ue()
        bits.u(1)
    sets = bits.ue()
    facts = BitstreamFacts(depth, chroma == 0)
    if sets:  # a still image has no reference picture sets
        return facts
    if bits.u(1):
        for _ in range(min(bits.ue(), 32)):
            bits.skip(order_bits, 1)
    bits.skip(1, 1)
    return BitstreamFacts(depth, chroma == 0, _usability(bits) if bits.u(1) else None)


def _usability(bits: Bits) -> CodePoints | None:
    """Read the video usability information as far as the colour description; None if it declares neither."""
    if bits.u(1) and bits.u(8) == _EXTENDED_ASPECT:
        bits.skip(16, 16)
    if bits.u(1):
        bits.u(1)
    if not bits.u(1):
        return None
    bits.u(3)
    full_range = bool(bits.u(1))
    if not bits.u(1):
        return CodePoints(full_range=full_range)
    return CodePoints(bits.u(8), bits.u(8), bits.u(8), full_range)


def _skip_profile(bits: Bits, layers: int) -> None:
    bits.u(96)
    present = [(bits.u(1), bits.u(1)) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for profile, level in present:
        bits.u(88 * profile + 8 * level)


def _skip_scaling_lists(bits: Bits) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.u(1):
                bits.ue()
                continue
            if size > 1:
                bits.ue()
            for _ in range(min(64, 1 << (4 + 2 * size))):
                bits.ue()
