"""Rows that were edited by hand or damaged: listings, pages and frames leave them out, and answer for all others."""

from __future__ import annotations

import re

import pytest
from jinja2 import Environment, FileSystemLoader

from backend.pages.base import TEMPLATES
from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

ODD = [
    ("color_palette", "{}"),
    ("color_palette", '{"primary": "red"}'),
    ("focus", "[2, 3]"),
    ("found_focus", '["a", 1]'),
    ("stage_seconds", '{"total": "long"}'),
]


@pytest.mark.parametrize(("column", "value"), ODD)
def test_odd_row_fails_no_listing(backend: server.BackendServer, column: str, value: str) -> None:
    backend.add_device("frame")
    odd, fine = backend.upload_photos(2)
    backend.finish(backend.claim("run/0"))
    before = len(backend.log_text())
    backend.sql(f"UPDATE images SET {column} = ? WHERE id = ?", value, odd)
    listed = backend.admin.get("/api/images").json()["images"]
    assert {image["id"] for image in listed} == {odd, fine}  # it can still be found and deleted
    assert backend.admin.get(f"/api/images/{odd}").json()["id"] == odd
    first = backend.admin.get("/api/images?limit=1").json()
    assert backend.admin.get(f"/api/images?limit=1&after={first['next']}").status_code == 200
    for page in ("/", f"/photos/{odd}", "/devices", "/activity"):
        assert backend.admin.get(page, headers={"Accept": "text/html"}).status_code == 200, page
    shown = {backend.admin.get("/api/devices/frame/next").json()["imageId"] for _ in range(4)}
    assert fine in shown
    if column != "stage_seconds":
        assert f"odd ImageInfo {odd}" in backend.log_text()[before:]
    backend.admin.delete(f"/api/images/{odd}").raise_for_status()


def test_odd_row_without_a_size_is_left_out(backend: server.BackendServer) -> None:
    odd, fine = backend.upload_photos(2)
    backend.sql("PRAGMA ignore_check_constraints = ON")
    backend.sql("UPDATE images SET width = 'wide' WHERE id = ?", odd)
    assert [image["id"] for image in backend.admin.get("/api/images").json()["images"]] == [fine]
    assert [image["id"] for image in backend.processor.get("/api/processing/pending").json()] == [fine]
    problem(backend.admin.get(f"/api/images/{odd}"), 404)
    assert f"odd ImageInfo {odd} is left out" in backend.log_text()


def test_odd_execution_and_odd_filters_fail_no_listing(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    backend.sql(
        "INSERT INTO executions (name, state, tasks, images, started_at, deadline) VALUES "
        "('fine', 'running', 1, 1, 1, 1), ('odd', 'running', 'many', 1, 1, 1)"
    )
    names = [run["name"] for run in backend.admin.get("/api/admin/status").json()["executions"]]
    assert names == ["fine"]
    backend.sql("UPDATE devices SET filters = '{\"newestDays\": -1}'")
    (device,) = backend.admin.get("/api/devices").json()["devices"]
    assert device["filters"] == {}


@pytest.mark.parametrize("detail", ["it is gone", "it is gone.", "is it gone?"])
def test_error_page_has_one_full_stop(detail: str) -> None:
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    values = {"nonce": "", "theme": "", "logged_in": False, "path": "/", "title": "Not Found"}
    page = templates.get_template("error.html").render(detail=detail, static=str, **values)
    (sentence,) = re.findall(r"<p>(I.*?)</p>", page)
    assert sentence == f"I{detail[1:].rstrip('.')}" + ("" if detail.endswith("?") else ".")
