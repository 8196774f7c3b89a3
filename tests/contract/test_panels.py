"""Panel settings: which combinations exist, recipes and names, and files whose palette is exchanged."""

from __future__ import annotations

import pytest

from contract import object_names
from contract.panel_files import with_palette
from contract.panels import MAX_INKS, PANELS, PanelError, PanelSetting, panel_from, panel_setting
from contract.recipes import recipe

IMAGE = "0123456789abcdef0123456789abcdef"


def test_default_panel_is_jpeg_and_its_recipe_is_the_old_one() -> None:
    assert panel_setting("jpeg") is None
    assert recipe(800, 480, panel=None) == recipe(800, 480) == "2d51236b0a"


@pytest.mark.parametrize("name", [*PANELS])
def test_every_panel_has_a_recipe_of_its_own_for_each_container(name: str) -> None:
    settings = [panel_setting(name, container) for container in ("png", "packed", "bmp")]
    recipes = {recipe(800, 480, panel=setting) for setting in settings}
    assert len(recipes) == 3
    assert recipe(800, 480) not in recipes
    assert panel_setting(name) == settings[0]


def test_inks_change_the_recipe() -> None:
    measured = panel_setting("grey2", "png", ["#000000", "#c0c0c0"])
    assert measured == PanelSetting("grey2", "png", ("#000000", "#C0C0C0"))
    assert recipe(8, 8, panel=measured) != recipe(8, 8, panel=panel_setting("grey2"))
    assert measured is not None
    assert measured.measured == ((0, 0, 0), (192, 192, 192))
    assert measured.nominal == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize(
    ("arguments", "field", "part"),
    [
        (("colour9",), "panel", "'colour9' is unknown; use one of jpeg, spectra6"),
        (("spectra6", "gif"), "container", "'gif' is unknown"),
        (("spectra6", "jpeg"), "container", "'spectra6' cannot have the container 'jpeg'"),
        (("jpeg", "png"), "container", "'jpeg' cannot have the container 'png'"),
        (("custom", "packed", ["#000000", "#FFFFFF"]), "container", "codes of a custom panel are unknown"),
        (("jpeg", None, ["#000000", "#FFFFFF"]), "inks", "has no inks"),
        (("custom",), "inks", "needs 2 to 16 inks, not 0"),
        (("custom", "png", ["#000000"]), "inks", "needs 2 to 16 inks, not 1"),
        (("custom", "png", [f"#0000{n:02X}" for n in range(MAX_INKS + 1)]), "inks", "not 17"),
        (("custom", "png", ["#000000", "#FFFFFF", "#ffffff"]), "inks", "equal"),
        (("custom", "png", ["#000000", "#010101"]), "inks", "equally light"),
        (("custom", "png", ["#000000", "white"]), "inks", "'white' is not a colour"),
        (("spectra6", "png", ["#000000", "#FFFFFF"]), "inks", "has 6 inks, not 2"),
    ],
)
def test_settings_that_no_panel_has_name_their_field(arguments: tuple[object, ...], field: str, part: str) -> None:
    with pytest.raises(PanelError, match=part) as raised:
        panel_setting(*arguments)  # type: ignore[arg-type]
    assert raised.value.field == field
    assert str(raised.value).startswith(f"{field}: ")


@pytest.mark.parametrize(("container", "extension"), [("png", ".png"), ("packed", ".bin"), ("bmp", ".bmp")])
def test_names_of_variants_have_the_extension_of_the_container(container: str, extension: str) -> None:
    setting = panel_setting("spectra6", container)
    assert setting is not None
    name = object_names.variant("hall", IMAGE, recipe(8, 8, panel=setting), "", setting.extension)
    assert name.endswith(extension)
    assert object_names.device_of_variant(name) == ("hall", IMAGE)
    assert object_names.image_of(name) == IMAGE
    assert object_names.is_immutable_variant(name)
    with_suffix = object_names.variant("hall", IMAGE, "0123456789", "89abcdef", setting.extension)
    assert object_names.device_of_variant(with_suffix) == ("hall", IMAGE)


def test_content_types() -> None:
    types = [object_names.content_type(f"processed/a/b{end}") for end in (".jpg", ".png", ".bmp", ".bin")]
    assert types == ["image/jpeg", "image/png", "image/bmp", "application/octet-stream"]


def test_stored_setting_is_read_back() -> None:
    assert panel_from(None) is None
    assert panel_from({"name": "bwr", "container": "bmp"}) == PanelSetting("bwr", "bmp")


def test_file_of_another_panel_is_rejected() -> None:
    with pytest.raises(ValueError, match="PNG with 6 colours"):
        with_palette(b"\x89PNG\r\n\x1a\n", PanelSetting("spectra6", "png"), "measured")
    with pytest.raises(ValueError, match="BMP with 6 colours"):
        with_palette(b"BM" + bytes(60), PanelSetting("spectra6", "bmp"), "measured")
