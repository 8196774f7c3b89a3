"""The fast paths that bypass libvips, with input that only an attacker or a faulty encoder writes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

import native
from processor.colour.icc import is_srgb, matrix_profile
from processor.colour.matrix import by_matrix
from processor.render.pipeline import render_image
from tests.support.pictures import encoded, scene

PIXELS = np.ascontiguousarray(scene(16, 4))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
QUICK = settings(max_examples=150, deadline=None)

edits = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 260), st.integers(0, len(PROFILE) - 1)),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from([b"\xff" * 4, b"\x80\0\0\0", b"\0" * 12, b"para\0\0\0\0\0\4"]),
        ),
    ),
    max_size=6,
)


def edited(changes: list[tuple[int, bytes]]) -> bytes:
    profile = bytearray(PROFILE)
    for place, new in changes:
        profile[place : place + len(new)] = new
    return bytes(profile)


@QUICK
@given(st.one_of(edits.map(edited), st.binary(max_size=300), edits.map(edited).map(lambda profile: profile[:200])))
def test_by_matrix_any_profile_is_converted_or_left_to_lcms(profile: bytes) -> None:
    found = matrix_profile(profile)
    assert isinstance(is_srgb(profile), bool)
    converted = by_matrix(PIXELS, profile)
    assert found is not None or converted is None
    assert converted is None or (converted.shape == PIXELS.shape and converted.dtype == np.uint8)


CURVES = [b"para\0\0\0\0" + kind.to_bytes(2, "big") + b"\0\0" for kind in range(6)]


@QUICK
@given(st.sampled_from(CURVES), st.lists(st.integers(-(2**31), 2**31 - 1), min_size=7, max_size=7))
def test_by_matrix_any_curve_parameters_keep_the_shape(head: bytes, numbers: list[int]) -> None:
    curve = head + b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    place = PROFILE.index(b"para")
    profile = PROFILE[:place] + curve + PROFILE[place + len(curve) :]
    converted = by_matrix(PIXELS, profile)
    assert converted is None or converted.shape == PIXELS.shape


SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 2, 3, 63, 64, 65, 127, 129, 400]))


@QUICK
@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 8), st.tuples(*[st.floats(0, 1)] * 4))
def test_resize_any_box_reads_only_its_own_bytes(
    width: int, height: int, to_width: int, to_height: int, orientation: int, share: tuple[float, float, float, float]
) -> None:
    """An image of one colour keeps it, unless a byte from outside of its memory is read."""
    around = np.zeros((height + 2, width, 3), np.uint8)
    picture = around[1:-1]
    picture[:] = (250, 120, 7)
    left, top = share[0] * width * 0.9, share[1] * height * 0.9
    box = (left, top, max(0.05, (width - left) * share[2]), max(0.05, (height - top) * share[3]))
    resized = native.resize(picture, to_width, to_height, box=box, orientation=orientation)
    assert resized.shape == (to_height, to_width, 3)
    assert (resized == (250, 120, 7)).all()
    if width >= 2 and height >= 2:
        assert (native.halve(picture) == (250, 120, 7)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (3, 3), (2, 65), (17, 9)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_render_image_few_pixels_gives_all_variants(size: tuple[int, int], kind: str) -> None:
    from contract.messages.processing import Device

    devices = (Device(name="thin", width=1, height=300), Device(name="flat", width=300, height=1))
    rendered = render_image(encoded(scene(*size), kind), devices, name="odd")
    assert [variant.device.name for variant in rendered.variants] == ["thin", "flat"]
    assert len(rendered.palette.all_colors) == 8
