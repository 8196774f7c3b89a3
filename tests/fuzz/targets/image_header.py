"""The header reader of both programs: boxes, segments, chunks and tags."""

from __future__ import annotations

from collections.abc import Sequence

from contract.image_header.model import HeaderError
from contract.image_header.read import read_image_header
from processor.colour.declared import declared_colour
from tests.fuzz.sentences import check_message
from tests.fuzz.targets import heif, photo_header
from tests.support.heif_files import avif_grid


def seeds() -> Sequence[bytes]:
    grids = [avif_grid(rows=1, columns=2, width=128, height=64, side=64, meta_last=last) for last in (False, True)]
    return [*photo_header.seeds(), *heif.seeds(), *grids]


def check(data: bytes) -> None:
    try:
        header = read_image_header(data)
    except HeaderError as error:
        check_message(error, start="is ", end="")
        return
    assert header.width > 0
    assert header.height > 0
    assert 1 <= header.orientation <= 8
    assert header.pages >= 1
    declared = declared_colour(header, header.profile)
    assert declared.points is None or not declared.profile
