"""The header check of every original in a task, and the memory estimate that uses its result."""

from __future__ import annotations

from collections.abc import Sequence

from contract.messages.processing import Device
from processor.errors import RenderError
from processor.render.decode_plan import estimate_bytes
from processor.render.header import read_header
from processor.render.limits import DEFAULT_LIMITS
from tests.fuzz.sentences import MAX_INPUT_BYTES, NAME, check_message
from tests.hostile import mutations

SCREENS = (Device(name="frame", width=800, height=480),)


def seeds() -> Sequence[bytes]:
    return [data for _, data in (*mutations.good(), *mutations.bombs(large=False)) if len(data) <= MAX_INPUT_BYTES]


def check(data: bytes) -> None:
    try:
        header = read_header(data, NAME)
    except RenderError as error:
        check_message(error)
        return
    assert 1 <= header.width * header.height <= DEFAULT_LIMITS.max_pixels
    assert {header.width, header.height} == {header.upright_width, header.upright_height}
    assert 1 <= header.orientation <= 8
    assert header.pages >= 1
    assert header.bits in range(1, 65)
    assert estimate_bytes(header, SCREENS, len(data)) > 0
