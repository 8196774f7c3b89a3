"""The bytes of a variant depend on the photo and its own recipe, not on the other variants of the call."""

from __future__ import annotations

import pytest

from contract.messages.processing import Device
from processor.render.decode_plan import decode_steps, standard_shrink
from processor.render.header import read_header
from processor.render.pipeline import render_image
from tests.support.pictures import encoded, scene

SCREENS = [
    Device(name="small", width=320, height=192),
    Device(name="portrait", width=240, height=400),
    Device(name="full-hd", width=1920, height=1080),
    Device(name="full-hd-portrait", width=1080, height=1920),
    Device(name="ultra-hd", width=3840, height=2160),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("JPEG", (4000, 2250)),
        pytest.param("JPEG", (2250, 4000), marks=pytest.mark.long),
        pytest.param("PNG", (4000, 2250), marks=pytest.mark.long),
        ("WEBP", (2250, 4000)),
    ],
    ids=["landscape-JPEG", "portrait-JPEG", "landscape-PNG", "portrait-WEBP"],
)
def test_render_image_variant_is_the_same_alone_and_with_others(kind: str, size: tuple[int, int]) -> None:
    data = encoded(scene(*size), kind)
    together = render_image(data, SCREENS)
    assert [variant.device for variant in together.variants] == SCREENS
    for variant in together.variants:
        alone = render_image(data, [variant.device])
        assert alone.variants[0].data == variant.data, variant.device.name
        assert (alone.thumbnail, alone.palette, alone.histogram) == (
            together.thumbnail,
            together.palette,
            together.histogram,
        )


@pytest.mark.slow
def test_decode_steps_devices_up_to_the_standard_screen_share_one_decode() -> None:
    header = read_header(encoded(scene(4000, 3000)), "x")
    common = SCREENS[:3]
    assert [step.shrink for step in decode_steps(header, common)] == [2]
    assert [step.shrink for step in decode_steps(header, ())] == [standard_shrink(header)] == [2]
    steps = decode_steps(header, SCREENS)
    assert [step.shrink for step in steps] == [1, 2]
    assert sorted(place for step in steps for place in step.indices) == list(range(len(SCREENS)))
