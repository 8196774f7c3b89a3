"""The whole of `render_image`: a mutated image is rendered, or rejected with a message."""

from __future__ import annotations

from collections.abc import Sequence

from contract.messages.processing import Device
from contract.recipes import FOCUS
from processor.errors import RenderError
from processor.render.limits import Limits
from processor.render.pipeline import render_image
from tests.fuzz.sentences import NAME, check_message
from tests.hostile import mutations

SCREENS = (Device(name="wide", width=40, height=24), Device(name="thin", width=3, height=90))
SMALL = Limits(max_pixels=1_000_000, max_progressive_pixels=500_000)


def seeds() -> Sequence[bytes]:
    return [data for _, data in mutations.good()]


def check(data: bytes) -> None:
    try:
        rendered = render_image(data, SCREENS, framing=FOCUS, name=NAME, limits=SMALL)
    except RenderError as error:
        check_message(error)
        return
    assert [variant.data[:3] for variant in rendered.variants] == [b"\xff\xd8\xff"] * len(SCREENS)
    assert len(rendered.palette.all_colors) == 8
    assert rendered.found_focus is not None
    assert all(0 <= share <= 1 for share in rendered.found_focus)
