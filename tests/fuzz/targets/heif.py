"""HEIC and AVIF: brands, code points, and decoding by libheif."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from contract.image_header.model import HeaderError
from contract.image_header.read import read_image_header
from contract.image_header.signatures import container_of, rejected_format
from processor.codecs.heif import HeifError, decode_heic
from processor.codecs.vips import pyvips
from processor.colour.code_points import to_sdr
from processor.colour.declared import heif_points
from processor.errors import RenderError
from processor.render.header import read_header
from processor.render.limits import Limits
from tests.fuzz.sentences import NAME, check_message
from tests.hostile import mutations

SMALL = Limits(max_pixels=250_000)


def seeds() -> Sequence[bytes]:
    files = [data for name, data in mutations.good() if name.endswith((".avif", ".heic"))]
    # The boxes of a HEIC file with another codec inside.
    files += [data.replace(b"ftypavif", b"ftypheic").replace(b"av01", b"hvc1") for data in files]
    at = files[0].index(b"colrnclx") + 8
    points = [struct.pack(">HHH", 12, curve, matrix) for curve, matrix in ((13, 1), (16, 14), (18, 10), (8, 11))]
    return [*files, *(files[0][:at] + colour + files[0][at + 6 :] for colour in points)]


def check(data: bytes) -> None:
    kind = container_of(data)
    rejected = rejected_format(data)
    assert rejected is None or rejected.startswith(("a ", "an "))
    try:
        points = heif_points(read_image_header(data))
    except HeaderError:
        points = None
    if points is not None:
        converted = to_sdr(pyvips.Image.black(2, 2, bands=3).copy(interpretation="srgb"), points)
        assert (converted.bands, converted.format, converted.avg()) == (3, "uchar", 0.0)
    try:
        header = read_header(data, NAME, SMALL)
    except RenderError as error:
        check_message(error)
        header = None
    if kind == "heif" and (header is None or header.loader == "heic"):
        try:
            picture = decode_heic(data, 2) if len(data) < 65536 else None
        except HeifError as error:
            check_message(error, start="", end="")
        else:
            assert picture is None or picture.bands in (1, 2, 3, 4)
