"""Sidecars, as the metadata sync reads and imports them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from backend.durability.sidecar_import import ARCHIVABLE, DELETED, REJECTED, WAITS, PathValidator, import_sidecar
from backend.durability.sidecar_sync import parse
from contract import object_names
from contract.messages.sidecars import Sidecar, SidecarResult, Thumbnail
from contract.recipes import recipe, thumbnail_recipe
from tests.fuzz.library import IMAGE, NOW, Addresses, connected
from tests.fuzz.sentences import DEEP, check_message

PATHS = PathValidator(Addresses())
COLOURS = ("#102030", "#405060", "#708090")


def seeds() -> Sequence[bytes]:
    result = SidecarResult(
        device_size="frame",
        width=800,
        height=480,
        file_path=object_names.variant("frame", IMAGE, recipe(800, 480)),
        colors=COLOURS,
        primary=COLOURS[0],
        secondary=COLOURS[1],
        tertiary=COLOURS[2],
        recipe=recipe(800, 480),
    )
    full = Sidecar(
        image_id=IMAGE,
        processed_at="2024-05-01T10:20:30+02:00",
        results=(result, msgspec.structs.replace(result, device_size="frame/half", width=400)),
        source_color=COLOURS[0],
        histogram={"#102030": 900, "#405060": 12},
        thumbnail=Thumbnail(file_path=object_names.thumbnail(IMAGE, thumbnail_recipe()), width=200, height=200),
        owner="execution/0",
        seconds=0.25,
        found_focus=(0.25, 0.5),
    )
    legacy = {"imageId": IMAGE, "processedAt": "2024-05-01T10:20:30.123Z", "results": [msgspec.to_builtins(result)]}
    chosen = msgspec.structs.replace(full, focus=(0.5, 0.5), neutral=True)
    return [*(msgspec.json.encode(sidecar) for sidecar in (full, legacy, chosen)), b'{"more": ' + DEEP]


def check(data: bytes) -> None:
    try:
        sidecar, moment = parse(data, IMAGE)
    except ValueError as error:
        check_message(error, start="", end="")
        return
    object_names.check(object_names.archived_sidecar(IMAGE, moment))
    assert parse(msgspec.json.encode(sidecar), IMAGE) == (sidecar, moment), "an archived sidecar can be parsed again"
    with connected() as connection:
        verdict, reason, _ = import_sidecar(connection, sidecar, PATHS, NOW)
        assert verdict in (ARCHIVABLE, WAITS, REJECTED, DELETED)
        assert reason
