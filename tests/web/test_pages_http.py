"""The pages over plain HTTP: access, security headers, filters and paging, events, login."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from tests.support import server, small_photos
from tests.support.library_rows import PALETTES, SHAPES, STATES, fill, photo_id
from tests.support.server import problem

pytestmark = pytest.mark.server

PAGES = ("/", "/upload", "/devices", "/activity", f"/photos/{photo_id(0)}", "/devices/frame%200/frame")
HTML = {"Accept": "text/html"}


def show(client: httpx.Client, path: str) -> httpx.Response:
    """Fetch a page, and check that it is HTML."""
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:400]}"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer


def ids_of(text: str) -> list[str]:
    return re.findall(r'data-id="([0-9a-f]{32})"', text)


@pytest.mark.parametrize("path", [*PAGES, "/activity/events", "/thumbnails/x.jpg", f"/originals/{photo_id(0)}"])
def test_page_without_session_redirects_to_login(backend: server.BackendServer, path: str) -> None:
    redirect = backend.anonymous.get(path, headers=HTML)
    assert redirect.status_code == 303
    assert redirect.headers["location"].startswith("/login?next=%2F")
    problem(backend.anonymous.get(path), 401)  # a program gets an error instead


def test_page_with_html_in_names_runs_no_script(backend: server.BackendServer) -> None:
    fill(backend, 3)
    backend.sql("UPDATE images SET filename = ?", '<script>alert("x")</script>".jpg')
    backend.sql("UPDATE devices SET name = ? WHERE id = 'frame 0'", '"><img src=x onerror=alert(1)>')
    for path in ("/login", *PAGES):
        answer = show(backend.admin, path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        nonce = re.search(r"'nonce-([^']{20,})'", policy)
        assert nonce is not None
        assert set(re.findall(r"<style([^>]*)>", answer.text)) == {f' nonce="{nonce[1]}"'}
        tags = Tags()
        tags.feed(answer.text)
        scripts = [attributes for tag, attributes in tags.tags if tag == "script"]
        assert scripts or path == "/login"
        assert [script for script in scripts if not (script.get("src") or "").startswith("/static/")] == []
        assert "x" not in [attributes.get("src") for _, attributes in tags.tags]
        names = {name for _, attributes in tags.tags for name in attributes}
        assert not {name for name in names if name == "style" or name.startswith("on")}


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_static_file_current_version_is_cached_and_older_is_not(backend: server.BackendServer) -> None:
    page = show(backend.anonymous, "/login").text
    addresses = re.findall(r'"(/static/[^"]+)"', page)
    assert len(addresses) > 2
    for address in addresses:
        answer = backend.anonymous.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
    older = backend.anonymous.get("/static/0000000000/base.css", headers={"Accept-Encoding": "identity"})
    assert older.status_code == 200
    assert older.headers["cache-control"] == "no-store"
    problem(backend.anonymous.get("/static/0000000000/..%2f..%2fsite.py"), 404)


@pytest.mark.parametrize(
    ("requested", "target"),
    [
        ("/photos/1?a=b", "/photos/1?a=b"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
    ],
)
def test_login_redirects_within_this_site_only(backend: server.BackendServer, requested: str, target: str) -> None:
    form = {"password": backend.secrets["admin_password"], "next": requested}
    client = backend.client()
    redirect = client.post("/login", data=form, headers=HTML)
    assert (redirect.status_code, redirect.headers["location"]) == (303, target)
    assert show(client, "/upload")
    logged_out = client.post("/logout", headers=HTML)
    assert (logged_out.status_code, logged_out.headers["location"]) == (303, "/login")
    assert client.get("/upload", headers=HTML).status_code == 303


def test_login_wrong_password_is_shown_on_the_page(backend: server.BackendServer) -> None:
    rejected = backend.anonymous.post("/login", data={"password": "wrong", "next": "/activity"}, headers=HTML)
    assert rejected.status_code == 403
    assert "The password is wrong." in rejected.text
    assert 'name="next" value="/activity"' in rejected.text
    assert "set-cookie" not in rejected.headers


def test_gallery_filters_and_pages_list_every_match_once(backend: server.BackendServer) -> None:
    number = 130
    fill(backend, number)
    newest_first = sorted(range(number), key=lambda index: (index // 2, photo_id(index)), reverse=True)
    assert _walk(backend, "/") == [photo_id(index) for index in newest_first]
    for query, passes in (
        ("state=failed", lambda index: STATES[index % 20] == "failed"),
        ("orientation=square", lambda index: SHAPES[index % 7 % 3][2] == "square"),
        ("colour=red", lambda index: STATES[index % 20] == "complete" and PALETTES[index % 3] is PALETTES[1]),
        ("name=DAY-0012", lambda index: f"{index:05}".startswith("0012")),
        ("name=%25", lambda index: False),
        (
            "state=complete&orientation=portrait&name=1.jpg",
            lambda index: (
                STATES[index % 20] == "complete" and SHAPES[index % 7 % 3][2] == "portrait" and index % 10 == 1
            ),
        ),
    ):
        assert _walk(backend, f"/?{query}") == [photo_id(index) for index in newest_first if passes(index)], query
    rejected = backend.admin.get("/?colour=infrared", headers=HTML)
    assert rejected.status_code == 422
    assert "Colour: expected one of red, orange" in rejected.text


def _walk(backend: server.BackendServer, path: str) -> list[str]:
    """Return all ids, page after page."""
    ids: list[str] = []
    address: str | None = path
    while address:
        text = show(backend.admin, address).text
        ids += ids_of(text)
        more = re.search(r'id="more" href="([^"]*)"', text)
        address = more[1].replace("&amp;", "&") if more else None
    return ids


def test_gallery_paging_continues_after_a_deleted_photo(backend: server.BackendServer) -> None:
    fill(backend, 60)
    first = backend.admin.get("/?part=tiles")
    last = ids_of(first.text)[-1]
    backend.sql("DELETE FROM processed_images WHERE image_id = ?", last)
    backend.sql("DELETE FROM images WHERE id = ?", last)
    second = backend.admin.get(f"{first.headers['x-more']}&part=tiles")
    assert len(set(ids_of(first.text)) | set(ids_of(second.text))) == 60
    assert second.headers["x-more"] == ""


def test_original_is_sandboxed_and_unchanged(backend: server.BackendServer) -> None:
    data = small_photos.photo(1)
    image_id = backend.upload(data)["id"]
    answer = backend.admin.get(f"/originals/{image_id}")
    assert answer.content == data
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    problem(backend.admin.get(f"/originals/{photo_id(1)}"), 404)
    problem(backend.admin.get("/thumbnails/..%2F..%2Fsecrets.json"), 404)
    missing = backend.admin.get(f"/photos/{photo_id(1)}", headers=HTML)
    assert missing.status_code == 404
    assert "it may have been deleted" in missing.text


def test_events_upload_changes_the_counts(backend: server.BackendServer) -> None:
    with backend.admin.stream("GET", "/activity/events", timeout=20) as events:
        lines = events.iter_lines()
        _until(lines, 'data: {"pending":0,"processing":0,"complete":0,"failed":0}')
        backend.upload(small_photos.photo(2))
        _until(lines, '"pending":1')
    problem(backend.anonymous.get("/activity/events"), 401)


def test_events_changes_without_new_counts_are_reported(backend: server.BackendServer) -> None:
    changes = []
    with backend.admin.stream("GET", "/activity/events", timeout=20) as events:
        lines = events.iter_lines()
        for name in ("hall", "kitchen", "stairs"):
            backend.add_device(name)
            changes.append(_until(lines, "event: changed"))
    assert len(set(changes)) == 3


def _until(lines: object, text: str) -> str:
    """Return the next event with this text; the first one may be a second old, and from another test."""
    while text not in (event := _event(lines)):
        pass
    return event


def _event(lines: object) -> str:
    """Return the text of the next event."""
    event = []
    for line in lines:  # type: ignore[attr-defined]
        if not line:
            return "\n".join(event)
        event.append(line)
    raise AssertionError(f"the stream ended: {event}")


def test_events_server_shutdown_ends_the_stream(tmp_path_factory: pytest.TempPathFactory) -> None:
    with server.running(tmp_path_factory.mktemp("ending") / "data") as backend:
        with backend.log_in().stream("GET", "/activity/events", timeout=20) as events:
            lines = events.iter_lines()
            _until(lines, "event: changed")
            began = time.monotonic()
            backend.process.terminate()
            assert list(lines) == []
        backend.process.wait(20)
        assert time.monotonic() - began < 8  # open requests would be given ten seconds


def test_page_sources_are_at_most_250_lines() -> None:
    folder = Path(server.ROOT) / "backend/pages"
    files = [path for kind in ("html", "css", "js") for path in folder.rglob(f"*.{kind}")]
    assert len(files) > 20
    assert {path.name for path in files if len(path.read_text().splitlines()) > 250} == set()
