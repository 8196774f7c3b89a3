"""The mark of a palette without colour, from the report to what people and frames read."""

from __future__ import annotations

import json

import pytest

from tests.support import server
from tests.support.frame_library import queue

pytestmark = pytest.mark.server


@pytest.mark.parametrize("neutral", [True, False])
def test_the_mark_is_kept_and_told(backend: server.BackendServer, image: str, neutral: bool) -> None:
    message = backend.render(backend.claim("run/0")[0])
    for row in message["images"] + message["outcomes"]:
        row["colorPalette"] = {**row["colorPalette"], "neutral": neutral}
    assert backend.processor.post("/api/processed-images", json=message).json() == {"inserted": 1}
    assert backend.admin.get(f"/api/images/{image}").json()["colorPalette"]["neutral"] is neutral
    assert [entry["colorPalette"]["neutral"] for entry in queue(backend.admin, "frame")] == [neutral]


def test_an_older_report_and_an_older_row_are_not_neutral(backend: server.BackendServer, image: str) -> None:
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
