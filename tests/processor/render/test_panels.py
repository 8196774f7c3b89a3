"""Rendering for e-paper panels beside displays."""

from __future__ import annotations

import pytest

from contract.messages.processing import Device
from contract.panels import Container, PanelSetting
from processor.render.pipeline import render_image
from tests.support.task_world import jpeg

DISPLAYS = (Device(name="wall", width=80, height=48), Device(name="tall", width=48, height=80))


@pytest.mark.parametrize("container", ["png", "bmp", "packed"])
def test_panel_changes_no_byte_of_the_jpeg_variants(container: Container) -> None:
    panel = Device(name="paper", width=80, height=48, panel=PanelSetting("spectra6", container))
    photo = jpeg(7, 640, 480)
    alone = render_image(photo, DISPLAYS)
    together = render_image(photo, (DISPLAYS[0], panel, DISPLAYS[1]))
    assert [variant.device.name for variant in together.variants] == ["wall", "paper", "tall"]
    assert [together.variants[index].data for index in (0, 2)] == [variant.data for variant in alone.variants]
    assert together.thumbnail == alone.thumbnail
    assert render_image(photo, (panel,)).variants[0].data == together.variants[1].data


def test_devices_of_different_panels_get_files_of_their_own() -> None:
    panels = [Device(name=name, width=40, height=40, panel=PanelSetting(name)) for name in ("spectra6", "bwr", "grey4")]
    variants = render_image(jpeg(8, 300, 200), panels).variants
    assert len({variant.data for variant in variants}) == 3
    assert all(variant.data.startswith(b"\x89PNG") for variant in variants)
