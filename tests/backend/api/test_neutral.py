"""The `neutral` flag of a palette, from the report to the responses for people and frames."""

from __future__ import annotations

import json

import pytest

from tests.support import server
from tests.support.frame_library import queue

pytestmark = pytest.mark.server


@pytest.mark.parametrize("neutral", [True, False])
def test_neutral_flag_is_stored_and_returned(backend: server.BackendServer, image: str, neutral: bool) -> None:
    message = backend.render(backend.claim("run/0")[0])
    for row in message["images"] + message["outcomes"]:
        row["colorPalette"] = {**row["colorPalette"], "neutral": neutral}
    assert backend.processor.post("/api/processed-images", json=message).json() == {"inserted": 1}
    assert backend.admin.get(f"/api/images/{image}").json()["colorPalette"]["neutral"] is neutral
    assert [entry["colorPalette"]["neutral"] for entry in queue(backend.admin, "frame")] == [neutral]


def test_neutral_flag_missing_means_not_neutral(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    for row in message["images"] + message["outcomes"]:
        row["colorPalette"] = {key: value for key, value in row["colorPalette"].items() if key != "neutral"}
    assert backend.processor.post("/api/processed-images", json=message).json() == {"inserted": 1}
    assert backend.admin.get(f"/api/images/{image}").json()["colorPalette"]["neutral"] is False
    ((stored,),) = backend.sql("SELECT color_palette FROM images")
    old = {key: value for key, value in json.loads(stored).items() if key != "neutral"}
    backend.sql("UPDATE images SET color_palette = ?", json.dumps(old))
    assert backend.admin.get(f"/api/images/{image}").json()["colorPalette"]["neutral"] is False
    assert [entry["colorPalette"]["neutral"] for entry in queue(backend.admin, "frame")] == [False]
