"""HEIC files that are generated here: decoded exactly, upright, and rejected with a message if damaged."""

from __future__ import annotations

import numpy as np
import pytest

from backend.images.header import read_upload_header
from processor.errors import BrokenPixels
from processor.render.decode import decode
from processor.render.header import read_header
from processor.render.pipeline import render_image
from tests.support.heic_picture import SIDE, box, grey_ramp
from tests.support.pictures import ONE

RAMP = np.linspace(0, 255, SIDE)


def pixels(data: bytes, shrink: int = 1) -> np.ndarray:
    return decode(data, read_header(data, "photo.heic"), shrink, "photo.heic").pixels


def test_decode_heic_returns_every_level() -> None:
    decoded = pixels(grey_ramp())
    assert decoded.shape == (SIDE, SIDE, 3)
    assert np.abs(decoded - RAMP[:, None, None]).max() <= 2
    assert np.abs(pixels(grey_ramp(), 2) - RAMP.reshape(-1, 2).mean(1)[:, None, None]).max() <= 2


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_decode_heic_with_rotation_turns_once(quarters: int) -> None:
    turned = pixels(grey_ramp(box(b"irot", bytes([quarters]))))
    upright = np.rot90(np.broadcast_to(RAMP[:, None, None], (SIDE, SIDE, 3)), quarters)
    assert np.abs(turned - upright).max() <= 2


def test_heic_upload_is_accepted_and_rendered() -> None:
    data = grey_ramp()
    header = read_upload_header(data, "photo.x", max_pixels=SIDE * SIDE, max_progressive_pixels=0)
    assert (header.extension, header.width, header.height) == (".heic", SIDE, SIDE)
    rendered = render_image(data, ONE)
    assert rendered.palette.neutral
    assert len(rendered.variants[0].data) > 1000


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
def test_render_image_truncated_heic_raises(kept: float) -> None:
    data = grey_ramp()
    with pytest.raises(BrokenPixels, match=r"^photo\.heic "):
        render_image(data[: int(len(data) * kept)], ONE, name="photo.heic")
