"""Attacks with tokens of frames, with signed addresses, and on frames without tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
from pathlib import Path
from typing import Any

import pytest

from backend.auth.open_hosts import OpenHosts
from backend.http.errors import Forbidden, MisdirectedRequest
from tests.support import server
from tests.support.frame_library import finished
from tests.support.server import problem

pytestmark = pytest.mark.server

SIZE = {"width": 80, "height": 48}


def urls(backend: server.BackendServer, token: str, device: str = "frame") -> list[str]:
    """Return the addresses that a frame receives."""
    answer = backend.client(Authorization=f"Bearer {token}").get(f"/api/devices/{device}/slideshow")
    assert answer.status_code == 200, answer.text
    return [str(entry["url"]) for entry in answer.json()["queue"]]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_frame_created_while_the_bucket_was_away_gets_its_token_on_the_retry(data_folder: Path, method: str) -> None:
    path = "/api/devices" if method == "POST" else "/api/devices/frame"
    body = {"name": "frame", **SIZE}
    with server.running(data_folder) as backend:
        backend.bucket.rename(data_folder / "away")
        for _ in range(2):
            problem(backend.admin.request(method, path, json=body), 503)
        shutil.rmtree(backend.bucket, ignore_errors=True)  # empty folders
        (data_folder / "away").rename(backend.bucket)
        backend.processor.post("/internal/tick").raise_for_status()  # may write the record before the retry
        answer = backend.admin.request(method, path, json=body).json()
        assert len(answer["token"]) >= 20
        assert urls(backend, answer["token"]) == []
        assert "token" not in backend.admin.request(method, path, json=body).json()
        assert urls(backend, answer["token"]) == []  # later changes leave the token as it is


def test_renewed_token_ends_the_former_one_and_its_addresses(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        token = backend.add_device("frame")["token"]
        other_token = backend.add_device("other")["token"]
        backend.upload_photos(1)
        backend.finish(backend.claim("run/0"))
        (url,) = urls(backend, token)
        (other,) = urls(backend, other_token, "other")
        answer = backend.admin.post("/api/devices/frame/token").json()
        assert (answer["success"], answer["deviceId"]) == (True, "frame")
        assert answer["token"] != token
        problem(backend.client(Authorization=f"Bearer {token}").get("/api/devices/frame/next"), 403)
        problem(backend.anonymous.get(url), 401)
        (fresh,) = urls(backend, answer["token"])
        assert fresh != url
        assert backend.anonymous.get(fresh).status_code == 200
        assert backend.anonymous.get(other).status_code == 200
        (entry,) = backend.admin.get("/api/devices/frame/slideshow").json()["queue"]
        assert entry["url"] == fresh
        problem(backend.admin.post("/api/devices/none/token"), 404)
        problem(backend.anonymous.post("/api/devices/frame/token"), 401)
        problem(backend.client(Authorization=f"Bearer {answer['token']}").post("/api/devices/frame/token"), 401)
    with server.running(data_folder) as backend:  # the record has the new state as well
        assert urls(backend, answer["token"]) == [fresh]
        problem(backend.anonymous.get(url), 401)


def test_renewed_token_survives_a_lost_database(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("frame")
        backend.upload_photos(1)
        backend.finish(backend.claim("run/0"))
        token = backend.admin.post("/api/devices/frame/token").json()["token"]
        (url,) = urls(backend, token)
    for file in data_folder.glob("slideshow.db*"):
        file.unlink()
    with server.running(data_folder) as backend:
        assert urls(backend, token) == [url]
        assert backend.anonymous.get(url).status_code == 200


def test_removed_and_added_name_does_not_revive_addresses(backend: server.BackendServer) -> None:
    token = backend.add_device("frame")["token"]
    backend.upload_photos(1)
    backend.finish(backend.claim("run/0"))
    (old,) = urls(backend, token)
    backend.admin.delete("/api/devices/frame").raise_for_status()
    again = backend.add_device("frame")["token"]
    backend.finish(backend.claim("run/1"))
    (new,) = urls(backend, again)
    assert new.partition("?")[0] == old.partition("?")[0]  # the same object again
    assert backend.anonymous.get(new).status_code == 200
    problem(backend.anonymous.get(old), 401)


def test_split_screen_addresses_end_with_the_token(backend: server.BackendServer) -> None:
    token = backend.admin.post("/api/devices", json={"name": "wall paper", **SIZE}).json()["token"]
    backend.upload_photos(2)
    backend.finish(backend.claim("run/0"))

    shown = urls(backend, token, "wall paper")
    assert shown
    assert all(backend.anonymous.get(url).status_code == 200 for url in shown)

    backend.admin.post("/api/devices/wall paper/token").raise_for_status()
    for url in shown:
        problem(backend.anonymous.get(url), 401)


def test_address_signed_before_the_upgrade_works_until_the_token_is_renewed(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    backend.upload_photos(1)
    backend.finish(backend.claim("run/0"))
    backend.sql("UPDATE devices SET picture_salt = ''")  # as the migration leaves a device of an earlier version
    (entry,) = backend.admin.get("/api/devices/frame/slideshow").json()["queue"]
    ((key,),) = backend.sql("SELECT value FROM facts WHERE key = 'picture_key'")
    path = entry["url"].partition("?")[0]
    old = f"{path}?s={signature_of_the_earlier_version(key, path)}"
    assert entry["url"] == old
    assert backend.anonymous.get(old).status_code == 200
    backend.admin.post("/api/devices/frame/token").raise_for_status()
    problem(backend.anonymous.get(old), 401)


def signature_of_the_earlier_version(key: str, path: str) -> str:
    """Return what the earlier version signed: the path alone."""
    mac = hmac.digest(key.encode(), path.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:12]).decode()


def test_frame_reads_only_what_its_filters_show(backend: server.BackendServer) -> None:
    finished(backend, 2, "frame")
    answer: dict[str, Any] = backend.admin.post("/api/devices/frame/token").json()
    frame = backend.client(Authorization=f"Bearer {answer['token']}")
    shown, hidden = sorted(backend.sql("SELECT id, filename FROM images"), key=lambda row: str(row[1]))
    for image_id, _ in (shown, hidden):
        assert frame.get(f"/api/devices/frame/images/{image_id}").status_code == 200
    backend.add_device("frame", filters={"name": str(shown[1])})
    assert frame.get(f"/api/devices/frame/images/{shown[0]}").status_code == 200
    problem(frame.get(f"/api/devices/frame/images/{hidden[0]}"), 404)
    problem(frame.get(f"/api/devices/frame/images/{hidden[0]}?compact=1"), 404)
    assert backend.admin.get(f"/api/devices/frame/images/{hidden[0]}").status_code == 200


ACCEPTED = [
    "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[fe80::1%25eth0]", "192.168.1.7", "localhost", "localhost:1",
    "frames.local", "FRAMES.LOCAL.", "nas", "nas:8080", "photos.example", "photos.example:443", "Alias.Example",
    "slideshow-backend-12345.us-central1.run.app", "slideshow-backend-abcdef-uc.a.run.app",
]  # fmt: skip
REJECTED = [
    "evil.example", "127.0.0.1.evil.example", "evil.example:8080", "photos.example.evil", "other.run.app", "run.app",
    "slideshow-backend.run.app.evil.example", "evil-slideshow-backend-1.run.app", "local.evil", "", "@127.0.0.1",
    "evil.example@127.0.0.1", "127.0.0.1/evil.example", "[::1", "1.2.3", "1.2.3.4.5",
]  # fmt: skip


def test_open_hosts_accept_only_names_that_no_attacker_can_point_here() -> None:
    hosts = OpenHosts(["alias.example"], public_url="https://photos.example", service="slideshow-backend")
    assert [host for host in ACCEPTED if not hosts.accepts(host)] == []
    assert [host for host in REJECTED if hosts.accepts(host)] == []
    assert not OpenHosts().accepts("slideshow-backend-12345.us-central1.run.app")
    assert not OpenHosts().accepts("photos.example")


def test_open_hosts_accept_pages_of_allowed_origins_only() -> None:
    hosts = OpenHosts(origins=["https://home.example"])
    hosts.require("127.0.0.1", "cross-site", "https://home.example")
    for origin in (None, "null", "https://evil.example"):
        with pytest.raises(Forbidden):
            hosts.require("127.0.0.1", "cross-site", origin)
    with pytest.raises(MisdirectedRequest):  # a page of an allowed origin has no other name for this server
        hosts.require("evil.example", "cross-site", "https://home.example")


def test_open_frames_reject_unknown_hosts_and_cross_site_requests(data_folder: Path) -> None:
    settings = {"DEVICE_AUTH": "open", "ALLOWED_HOSTS": "alias.example", "PUBLIC_URL": "http://photos.example"}
    with server.running(data_folder, **settings) as backend:
        finished(backend, 2, "frame")
        path = "/api/devices/frame/next"
        before = backend.admin.get("/api/devices/frame/slideshow").json()["queue"]
        for host in ("evil.example", "127.0.0.1.evil.example"):
            assert "ALLOWED_HOSTS" in problem(backend.client(Host=host).get(path), 421)
        for site in ("cross-site", "same-site"):
            problem(backend.client(**{"Sec-Fetch-Site": site}).get(path), 403)
        assert backend.admin.get("/api/devices/frame/slideshow").json()["queue"] == before  # the position did not move
        for headers in ({"Host": "alias.example"}, {"Host": "photos.example:80"}, {"Host": "frame.local"}, {}):
            assert backend.client(**headers, **{"Sec-Fetch-Site": "same-origin"}).get(path).status_code == 200
        assert backend.client(Host="evil.example").get("/_health").status_code == 200


def test_frames_with_tokens_are_served_under_any_host(backend: server.BackendServer) -> None:
    token = backend.add_device("frame")["token"]
    client = backend.client(Host="photos.example", Authorization=f"Bearer {token}")
    assert client.get("/api/devices/frame/slideshow").status_code == 200
