"""Object names: building, parsing, and rejecting hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import object_names
from contract.messages.processing import DeviceName

ID = "0123456789abcdef0123456789abcdef"

image_ids = st.text("0123456789abcdef", min_size=32, max_size=32)
recipes = st.text("0123456789abcdef", min_size=10, max_size=10)
suffixes = st.just("") | st.text("0123456789abcdef", min_size=8, max_size=8)
device_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda key: key not in (".", "..") and not any(c in "/\\" or ord(c) < 32 or 127 <= ord(c) < 160 for c in key)
)


def test_names_match_the_contract() -> None:
    moment = datetime(2025, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert object_names.original(ID, ".jpg") == f"images/originals/{ID}.jpg"
    assert object_names.variant("large-landscape", ID, "0a1b2c3d4e") == f"processed/large-landscape/{ID}-0a1b2c3d4e.jpg"
    assert (
        object_names.variant("Küche 1", ID, "0a1b2c3d4e", "89abcdef")
        == f"processed/K%C3%BCche%201/{ID}-0a1b2c3d4e-89abcdef.jpg"
    )
    assert object_names.thumbnail(ID, "0a1b2c3d4e") == f"images/thumbnails/{ID}-0a1b2c3d4e.jpg"
    assert object_names.sidecar(ID) == f"images/metadata/{ID}.json"
    # Half past midnight in Cairo is still February in UTC.
    assert object_names.archived_sidecar(ID, moment) == f"images/metadata/archive/2025/02/{ID}.json"


@given(device_keys, image_ids, recipes, suffixes)
def test_variant_name_round_trips(key: str, image_id: str, recipe: str, suffix: str) -> None:
    name = object_names.variant(key, image_id, recipe, suffix)
    assert object_names.check(name) == name
    assert object_names.device_of_variant(name) == (key, image_id)
    assert name.startswith(object_names.device_folder(key))
    assert name.count("/") == 2


@given(device_keys, device_keys)
def test_different_devices_have_different_folders(first: str, second: str) -> None:
    assert (object_names.device_folder(first) == object_names.device_folder(second)) == (first == second)


@given(image_ids, st.datetimes(timezones=st.just(UTC)))
def test_sidecar_name_round_trips(image_id: str, moment: datetime) -> None:
    assert object_names.image_of_sidecar(object_names.sidecar(image_id)) == image_id
    archived = object_names.archived_sidecar(image_id, moment)
    assert object_names.image_of_sidecar(archived) is None, "an archived sidecar is already imported"
    assert archived.split("/")[3:5] == [f"{moment.year:04}", f"{moment.month:02}"]


def test_legacy_variant_name_is_parsed() -> None:
    assert object_names.device_of_variant(f"processed/small/{ID}.jpg") == ("small", ID)


@pytest.mark.parametrize(
    "name",
    [
        f"processed/{ID}.jpg",
        f"processed/a/b/{ID}.jpg",
        f"processed/a/{ID}.png",
        f"processed/a/{ID}-1.jpg",
        f"processed/a/{ID.upper()}.jpg",
        f"other/a/{ID}.jpg",
        f"processed/a/{ID}.jpg\n",
        "",
    ],
)
def test_other_names_are_not_variants(name: str) -> None:
    assert object_names.device_of_variant(name) is None


@pytest.mark.parametrize(
    "name",
    [f"images/metadata/{ID}", f"images/metadata/x/{ID}.json", f"images/metadata/{ID}.json\n", "images/metadata/.json"],
)
def test_other_names_are_not_sidecars(name: str) -> None:
    assert object_names.image_of_sidecar(name) is None


@pytest.mark.parametrize("image_id", ["", "../x", ID[:-1], ID + "0", ID.upper(), ID[:-1] + "g", ID + "\n", "/" + ID])
def test_hostile_image_id_is_rejected(image_id: str) -> None:
    builds: list[Callable[[], str]] = [
        lambda: object_names.original(image_id, ".jpg"),
        lambda: object_names.variant("a", image_id, "0" * 10),
        lambda: object_names.thumbnail(image_id, "0" * 10),
        lambda: object_names.sidecar(image_id),
        lambda: object_names.archived_sidecar(image_id, datetime(2025, 1, 1, tzinfo=UTC)),
    ]
    for build in builds:
        with pytest.raises(ValueError, match="image id"):
            build()


@pytest.mark.parametrize("extension", ["", "jpg", ".", "./x", ".JPG", ".jpg/..", ".toolongext", ".j g", ".jpg\n"])
def test_hostile_extension_is_rejected(extension: str) -> None:
    with pytest.raises(ValueError, match="file extension"):
        object_names.original(ID, extension)


@pytest.mark.parametrize("key", ["", ".", "..", "日" * 29])
def test_invalid_device_key_is_rejected(key: str) -> None:
    with pytest.raises(ValueError, match=r"not a valid device key|too long"):
        object_names.device_folder(key)


@pytest.mark.parametrize("key", ["../..", "a/b", "/", "%2F", "..%2f", "a\\b", "x\x00y"])
def test_hostile_device_key_stays_in_its_folder(key: str) -> None:
    name = object_names.variant(key, ID, "0" * 10)
    assert object_names.check(name) == name
    assert name.count("/") == 2
    assert object_names.device_of_variant(name) == (key, ID)


@pytest.mark.parametrize("name", ["a", "a/b", ".hidden", "...", "a..b", "ü/日本.jpg", "x" * 1024, "a b", "%2e%2e/x"])
def test_check_accepts_valid_names(name: str) -> None:
    assert object_names.check(name) == name


@pytest.mark.slow
@given(st.text(max_size=40))
def test_accepted_name_has_no_path_traversal(name: str) -> None:
    try:
        object_names.check(name)
    except ValueError:
        return
    parts = name.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert name.encode()
    assert name.isprintable() or all(ord(c) >= 160 or c == " " for c in name if not c.isprintable())


@given(st.text(min_size=1, max_size=64))
def test_device_name_accepts_exactly_the_valid_names(name: str) -> None:
    hostile = name in (".", "..") or any(c in "/\\" or ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
    try:
        msgspec.convert(name, DeviceName)
    except msgspec.ValidationError:
        assert hostile
    else:
        assert not hostile
