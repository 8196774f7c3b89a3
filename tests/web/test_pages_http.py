"""The pages over plain HTTP: who may see them, what their headers forbid, filters and paging, events, the login."""

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
    """A page that must be there."""
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:400]}"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer


def ids_of(text: str) -> list[str]:
    return re.findall(r'data-id="([0-9a-f]{32})"', text)


@pytest.mark.parametrize("path", [*PAGES, "/activity/events", "/thumbnails/x.jpg", f"/originals/{photo_id(0)}"])
def test_who_has_not_logged_in_is_led_to_the_login(backend: server.BackendServer, path: str) -> None:
    led = backend.anonymous.get(path, headers=HTML)
    assert led.status_code == 303
    assert led.headers["location"].startswith("/login?next=%2F")
    problem(backend.anonymous.get(path), 401)  # a script is told, and led nowhere


def test_no_page_runs_what_stands_in_it(backend: server.BackendServer) -> None:
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
        scripts = [attributes for tag, attributes in tags.found if tag == "script"]
        assert all((found.get("src") or "").startswith("/static/") for found in scripts)
        assert "x" not in [attributes.get("src") for _, attributes in tags.found]
        names = {name for _, attributes in tags.found for name in attributes}
        assert not {name for name in names if name == "style" or name.startswith("on")}


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_file_of_a_page_is_kept_for_ever_and_an_older_one_is_not(backend: server.BackendServer) -> None:
    page = show(backend.anonymous, "/login").text
    for address in re.findall(r'"(/static/[^"]+)"', page):
        found = backend.anonymous.get(address)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        assert found.headers["content-encoding"] == "gzip"
    older = backend.anonymous.get("/static/0000000000/base.css", headers={"Accept-Encoding": "identity"})
    assert older.status_code == 200
    assert older.headers["cache-control"] == "no-store"
    problem(backend.anonymous.get("/static/0000000000/..%2f..%2fsite.py"), 404)


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/photos/1?a=b", "/photos/1?a=b"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
    ],
)
def test_the_login_leads_on_within_this_site_only(backend: server.BackendServer, wanted: str, place: str) -> None:
    form = {"password": backend.secrets["admin_password"], "next": wanted}
    client = backend.client()
    led = client.post("/login", data=form, headers=HTML)
    assert (led.status_code, led.headers["location"]) == (303, place)
    assert show(client, "/upload")
    left = client.post("/logout", headers=HTML)
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert client.get("/upload", headers=HTML).status_code == 303


def test_a_wrong_password_is_said_on_the_page(backend: server.BackendServer) -> None:
    refused = backend.anonymous.post("/login", data={"password": "wrong", "next": "/activity"}, headers=HTML)
    assert refused.status_code == 403
    assert "The password is wrong." in refused.text
    assert 'name="next" value="/activity"' in refused.text
    assert "set-cookie" not in refused.headers


def test_each_filter_leaves_out_what_it_says_and_pages_miss_nothing(backend: server.BackendServer) -> None:
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
    refused = backend.admin.get("/?colour=infrared", headers=HTML)
    assert refused.status_code == 422
    assert "colour: expected one of red, orange" in refused.text


def _walk(backend: server.BackendServer, path: str) -> list[str]:
    """All ids, page after page, the last photo of each deleted before the next is asked for."""
    found: list[str] = []
    place: str | None = path
    while place:
        text = show(backend.admin, place).text
        found += ids_of(text)
        more = re.search(r'id="more" href="([^"]*)"', text)
        place = more[1].replace("&amp;", "&") if more else None
    return found


def test_paging_goes_on_where_a_photo_was_deleted(backend: server.BackendServer) -> None:
    fill(backend, 60)
    first = backend.admin.get("/?part=tiles")
    last = ids_of(first.text)[-1]
    backend.sql("DELETE FROM processed_images WHERE image_id = ?", last)
    backend.sql("DELETE FROM images WHERE id = ?", last)
    second = backend.admin.get(f"{first.headers['x-more']}&part=tiles")
    assert len(set(ids_of(first.text)) | set(ids_of(second.text))) == 60
    assert second.headers["x-more"] == ""


def test_the_original_is_a_picture_and_never_a_page(backend: server.BackendServer) -> None:
    data = small_photos.photo(1)
    image_id = backend.upload(data)["id"]
    found = backend.admin.get(f"/originals/{image_id}")
    assert found.content == data
    assert found.headers["content-type"] == "image/jpeg"
    assert found.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert found.headers["x-content-type-options"] == "nosniff"
    problem(backend.admin.get(f"/originals/{photo_id(1)}"), 404)
    problem(backend.admin.get("/thumbnails/..%2F..%2Fsecrets.json"), 404)
    missing = backend.admin.get(f"/photos/{photo_id(1)}", headers=HTML)
    assert missing.status_code == 404
    assert "it may have been deleted" in missing.text


def test_events_tell_of_a_change(backend: server.BackendServer) -> None:
    with backend.admin.stream("GET", "/activity/events", timeout=20) as events:
        lines = events.iter_lines()
        _until(lines, 'data: {"pending":0,"processing":0,"complete":0,"failed":0}')
        backend.upload(small_photos.photo(2))
        _until(lines, '"pending":1')
    problem(backend.anonymous.get("/activity/events"), 401)


def test_events_tell_of_changes_that_leave_every_count_as_it_was(backend: server.BackendServer) -> None:
    changes = []
    with backend.admin.stream("GET", "/activity/events", timeout=20) as events:
        lines = events.iter_lines()
        for name in ("hall", "kitchen", "stairs"):
            backend.add_device(name)
            changes.append(_until(lines, "event: changed"))
    assert len(set(changes)) == 3


def _until(lines: object, text: str) -> str:
    """The next event with this text; the first look may be a second old, and of another test."""
    while text not in (event := _event(lines)):
        pass
    return event


def _event(lines: object) -> str:
    """The text of the next event."""
    said = []
    for line in lines:  # type: ignore[attr-defined]
        if not line:
            return "\n".join(said)
        said.append(line)
    raise AssertionError(f"the stream ended: {said}")


def test_a_server_that_ends_ends_its_streams(tmp_path_factory: pytest.TempPathFactory) -> None:
    with server.running(tmp_path_factory.mktemp("ending") / "data") as backend:
        with backend.log_in().stream("GET", "/activity/events", timeout=20) as events:
            lines = events.iter_lines()
            _until(lines, "event: changed")
            began = time.monotonic()
            backend.process.terminate()
            assert list(lines) == []
        backend.process.wait(20)
        assert time.monotonic() - began < 8  # and not after the ten seconds that open requests are given


def test_templates_styles_and_scripts_have_one_subject_each() -> None:
    folder = Path(server.ROOT) / "backend/pages"
    files = [path for kind in ("html", "css", "js") for path in folder.rglob(f"*.{kind}")]
    assert len(files) > 20
    assert {path.name for path in files if len(path.read_text().splitlines()) > 250} == set()
