"""Colours that are declared by code points: PQ, HLG and Display P3 in HEIF files."""

from __future__ import annotations

import numpy as np
import pytest

from contract.image_header.model import CodePoints
from contract.messages.processing import Device
from processor.codecs.vips import pyvips
from processor.colour.code_points import BT2020, HLG, P3, PQ, SRGB_CURVE, known, to_sdr
from processor.render.pipeline import render_image
from tests.support.picture_measures import mean_delta_e
from tests.support.pictures import encoded, pixels_of


def converted(values: list[float], points: CodePoints, levels: int = 65535) -> np.ndarray:
    """Convert signals 0..1, as one grey pixel each, to (n, 3)."""
    kind = np.uint16 if levels == 65535 else np.uint8
    pixels = np.repeat(np.round(np.array(values) * levels).astype(kind)[None, :, None], 3, axis=2)
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16" if levels == 65535 else "srgb")
    return to_sdr(image, points).numpy()[0].astype(int)


@pytest.mark.parametrize("primaries", [1, P3, BT2020])
@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("levels", [255, 65535])
def test_to_sdr_grey_ramp_stays_grey_and_monotonic(primaries: int, transfer: int, levels: int) -> None:
    found = converted([0, 0.1, 0.3, 0.5, 0.75, 1], CodePoints(primaries, transfer), levels)
    assert np.ptp(found, axis=1).max() <= 1
    assert found[0, 0] == 0
    assert (np.diff(found[:, 0]) > 0).all()
    assert found[-1, 0] <= 255


def test_to_sdr_known_points_of_the_curves() -> None:
    # SMPTE ST 2084: 100 cd/m2 is 0.508; that is 0.493 of the reference white, below the knee.
    assert converted([0.5081], CodePoints(1, PQ))[0, 0] == pytest.approx(186, abs=1)
    # BT.2408: the reference white is 0.58 in PQ and 0.75 in HLG, and both give the same level.
    assert converted([0.5807], CodePoints(1, PQ))[0, 0] == pytest.approx(
        converted([0.75], CodePoints(1, HLG))[0, 0], abs=1
    )


def test_known_code_points_replace_absent_values_by_those_of_srgb() -> None:
    assert known(CodePoints(1, PQ)) == CodePoints(1, PQ)
    assert known(CodePoints(P3, 2)) == CodePoints(P3, SRGB_CURVE)
    assert known(CodePoints(3, HLG)) == CodePoints(1, HLG)
    assert known(CodePoints(2, 2)) is known(None) is None


def test_render_image_avif_with_p3_code_points_is_converted() -> None:
    y, x = np.mgrid[0:200, 0:320]
    picture = np.stack([255 * x / 320, 255 * y / 200, 128 + 0 * x], axis=-1).astype(np.uint8)
    plain = encoded(picture, "AVIF", quality=98)
    place = plain.find(b"colrnclx")
    assert place > 0
    says_p3 = plain[: place + 8] + b"\0\x0c\0\x0d" + plain[place + 12 :]
    device = (Device(name="same", width=320, height=200),)
    found = pixels_of(render_image(says_p3, device).variants[0].data)
    tagged = pyvips.Image.new_from_array(picture).copy(interpretation="srgb")
    expected = tagged.icc_transform("srgb", input_profile="p3", intent="relative").numpy()
    assert mean_delta_e(found, expected) < 3
    assert mean_delta_e(pixels_of(render_image(plain, device).variants[0].data), expected) > 3
