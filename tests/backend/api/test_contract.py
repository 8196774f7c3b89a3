"""Every call over real HTTP: credentials, bodies, unknown ids, and the specified shapes."""

from __future__ import annotations

import httpx
import pytest

from tests.support import server, small_photos
from tests.support.server import problem

pytestmark = pytest.mark.server

UNKNOWN = "0" * 32

ID = "{image}"

# Method, path and body of calls that succeed with the processor token.
PROCESSOR_CALLS: list[tuple[str, str, object]] = [
    ("GET", "/api/processing/pending", None),
    ("GET", "/api/processing/pending?limit=50", None),
    ("POST", f"/api/processing-attempts/{ID}/start", {"attempt": 0}),
    ("POST", "/api/processed-images", {"images": []}),
    ("PATCH", f"/api/images/{ID}/failed", {"error": "a reason", "attempt": 1}),
    ("POST", "/api/processing/claims", {"owner": "execution/0", "attempt": 0, "shard": 0, "shards": 1, "limit": 1}),
    ("POST", "/api/processing/claims/renew", {"leases": []}),
    ("POST", "/api/processing/claims/release", {"leases": []}),
    ("POST", "/internal/tick", None),
]

# The same with an admin's session.
ADMIN_CALLS: list[tuple[str, str, object]] = [
    ("GET", "/api/admin/status", None),
    ("GET", "/api/admin/status?since=1.5", None),
    ("POST", "/api/admin/sync", None),
    ("POST", "/api/admin/retry", {"which": "failed"}),
    ("GET", "/api/images", None),
    ("GET", "/api/images?state=pending&limit=1", None),
    ("GET", f"/api/images/{ID}", None),
    ("GET", "/api/devices", None),
    ("POST", "/api/devices", {"name": "frame", "width": 80, "height": 48}),
    ("GET", "/api/devices/frame", None),
    ("PUT", "/api/devices/frame", {"name": "frame", "width": 80, "height": 48}),
    ("GET", "/api/devices/frame/slideshow", None),
    ("GET", "/metrics", None),
    ("DELETE", "/api/devices/frame", None),
]

# Calls with an invalid body, and the field that the error must name.
BAD_BODIES: list[tuple[str, str, object, str]] = [
    ("POST", f"/api/processing-attempts/{ID}/start", {"attempt": "0"}, "attempt"),
    ("POST", f"/api/processing-attempts/{ID}/start", {"attempt": -1}, "attempt"),
    ("POST", f"/api/processing-attempts/{ID}/start", {"lease": "no spaces here"}, "lease"),
    ("POST", f"/api/processing-attempts/{ID}/start", [], "array"),
    ("POST", "/api/processed-images", {}, "images"),
    ("POST", "/api/processed-images", {"images": [{"deviceSize": "frame"}]}, "imageId"),
    ("POST", "/api/processed-images", {"images": [{"imageId": "xyz"}]}, "imageId"),
    ("POST", "/api/processed-images", {"images": [{"imageId": UNKNOWN, "deviceSize": "a/b"}]}, "deviceSize"),
    ("PATCH", f"/api/images/{ID}/failed", {"attempt": 1}, "error"),
    ("PATCH", f"/api/images/{ID}/failed", {"error": 5}, "error"),
    ("PATCH", f"/api/images/{ID}/failed", {"error": 7}, "error"),
    ("POST", "/api/processing/claims", {}, "owner"),
    ("POST", "/api/processing/claims", {"owner": "x", "limit": 51}, "limit"),
    ("POST", "/api/processing/claims", {"owner": "x", "shards": 0}, "shards"),
    ("POST", "/api/processing/claims", {"owner": "x", "claimId": "short"}, "claimId"),
    ("POST", "/api/processing/claims/renew", {"leases": "all"}, "leases"),
    ("POST", "/api/processing/claims/release", {"leases": [7]}, "leases"),
    ("GET", "/api/processing/pending?limit=many", None, "limit"),
    ("GET", "/api/processing/pending?limit=0", None, "limit"),
    ("POST", "/login", {}, "password"),
    ("POST", "/login", {"password": 5}, "password"),
    ("POST", "/api/devices", {"name": "frame", "width": 0, "height": 48}, "width"),
    ("POST", "/api/devices", {"name": "frame", "width": 80, "height": 8193}, "height"),
    ("POST", "/api/devices", {"name": "frame", "width": 80}, "height"),
    ("POST", "/api/devices", {"name": "frame", "width": 80, "height": 48, "orientation": "up"}, "orientation"),
    ("PUT", "/api/devices/frame", {"width": 80, "height": 48}, "name"),
    ("PUT", "/api/devices/frame", {"id": "other", "name": "frame", "width": 80, "height": 48}, "id"),
    ("POST", "/api/admin/retry", {"which": "all"}, "which"),
    ("POST", "/api/admin/retry", {"which": "named", "ids": ["x"]}, "ids"),
    ("GET", "/api/admin/status?since=yesterday", None, "since"),
    ("GET", "/api/admin/status?since=nan", None, "since"),
    ("GET", "/api/images?limit=501", None, "limit"),
    ("GET", "/api/images?state=lost", None, "state"),
    ("GET", "/api/devices/frame/slideshow?count=0", None, "count"),
]

# Calls about ids that do not exist.
UNKNOWN_THINGS: list[tuple[str, str, object]] = [
    ("POST", f"/api/processing-attempts/{UNKNOWN}/start", {"attempt": 0}),
    ("POST", "/api/processing-attempts/not-an-id/start", {"attempt": 0}),
    ("PATCH", f"/api/images/{UNKNOWN}/failed", {"error": "a reason"}),
    ("GET", f"/api/images/{UNKNOWN}", None),
    ("GET", "/api/images/..%2F..%2Fetc", None),
    ("GET", "/api/devices/absent", None),
    ("DELETE", "/api/devices/absent", None),
    ("GET", "/api/devices/absent/slideshow", None),
    ("GET", "/api/devices/absent/next", None),
    ("GET", f"/api/devices/absent/images/{UNKNOWN}", None),
    ("GET", "/pictures/absent/picture.jpg", None),
    ("GET", "/nothing/here", None),
    ("POST", "/api", None),
]


def fitting(backend: server.BackendServer, path: str) -> httpx.Client:
    """Return a client with the credentials that this path requires."""
    for_tasks = path.startswith(("/api/process", "/internal")) or path.endswith(("/failed", "/start"))
    return backend.processor if for_tasks else backend.admin


def call(client: httpx.Client, method: str, path: str, body: object, image: str) -> httpx.Response:
    return client.request(method, path.replace(ID, image), json=body)


@pytest.mark.parametrize(("method", "path", "body"), PROCESSOR_CALLS, ids=lambda value: str(value)[:60])
def test_processor_calls_require_the_processor_token(
    backend: server.BackendServer, image: str, method: str, path: str, body: object
) -> None:
    assert "token" in problem(call(backend.anonymous, method, path, body, image), 401)
    assert "token" in problem(call(backend.admin, method, path, body, image), 401)  # a session is not a token
    for wrong in ("wrong", backend.secrets["processor_token"] + "x", backend.secrets["admin_password"]):
        problem(call(backend.client(Authorization=f"Bearer {wrong}"), method, path, body, image), 403)
    basic = backend.client(Authorization=f"Basic {backend.secrets['processor_token']}")
    problem(call(basic, method, path, body, image), 401)
    assert call(backend.processor, method, path, body, image).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_CALLS, ids=lambda value: str(value)[:60])
def test_admin_calls_require_a_session(
    backend: server.BackendServer, image: str, method: str, path: str, body: object
) -> None:
    problem(call(backend.anonymous, method, path, body, image), 401)
    for wrong in ("wrong", "", backend.secrets["admin_password"]):
        problem(call(backend.client(Cookie=f"session_id={wrong}"), method, path, body, image), 401)
    if not path.startswith(("/metrics", "/api/devices/frame/")):  # these accept their own bearer tokens
        problem(call(backend.processor, method, path, body, image), 401)
    assert call(backend.admin, method, path, body, image).status_code == 200


def test_processor_call_without_token_explains_the_header(backend: server.BackendServer) -> None:
    refused = backend.anonymous.get("/api/processing/pending")
    assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "body", "field"), BAD_BODIES, ids=lambda value: str(value)[:60])
def test_body_with_wrong_field_is_422_naming_it(
    backend: server.BackendServer, image: str, method: str, path: str, body: object, field: str
) -> None:
    assert field in problem(call(fitting(backend, path), method, path, body, image), 422)
    assert backend.state(image) == "pending"


BODY_CALLS = [(method, path) for method, path, body in PROCESSOR_CALLS + ADMIN_CALLS if body is not None]


@pytest.mark.parametrize(("method", "path"), BODY_CALLS)
@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"null"], ids=repr)
def test_body_that_is_not_json_is_422(
    backend: server.BackendServer, image: str, method: str, path: str, data: bytes
) -> None:
    assert "body" in problem(fitting(backend, path).request(method, path.replace(ID, image), content=data), 422)


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN_THINGS, ids=lambda value: str(value)[:60])
def test_call_about_unknown_id_is_404(backend: server.BackendServer, method: str, path: str, body: object) -> None:
    problem(fitting(backend, path).request(method, path, json=body), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/processing/pending", "GET"),
        ("GET", "/api/processed-images", "POST"),
        ("POST", "/_health", "GET"),
        ("PUT", "/login", "POST"),
        ("PATCH", "/api/devices/frame", "PUT"),
    ],
)
def test_call_with_other_method_is_405(backend: server.BackendServer, method: str, path: str, allowed: str) -> None:
    refused = fitting(backend, path).request(method, path)
    problem(refused, 405)
    assert allowed in refused.headers["allow"]


def test_body_above_the_limit_is_413(backend: server.BackendServer) -> None:
    huge = b'{"images": [' + b" " * (8 * 1024 * 1024) + b"]}"
    problem(backend.processor.post("/api/processed-images", content=huge), 413)


def test_processing_calls_have_the_specified_shapes(backend: server.BackendServer, image: str) -> None:
    (entry,) = backend.processor.get("/api/processing/pending?limit=50").json()
    assert entry == {
        "id": image,
        "file_path": f"{backend.bucket.as_uri()}/images/originals/{image}.jpg",
        "width": 64,
        "height": 48,
        "orientation": "landscape",
    }
    started = backend.processor.post(f"/api/processing-attempts/{image}/start", json={"attempt": 0}).json()
    frame = {"name": "frame", "width": 80, "height": 48, "orientation": "landscape"}
    assert started == {"attempt": 1, "devices": [frame]}
    unknown = {
        "imageId": UNKNOWN,
        "deviceSize": "frame",
        "width": 80,
        "height": 48,
        "filePath": f"processed/frame/{UNKNOWN}.jpg",
        "colorPalette": small_photos.PALETTE,
    }
    backend.store(f"processed/frame/{image}.jpg", small_photos.jpeg(80, 48))
    known = {**unknown, "imageId": image, "filePath": f"processed/frame/{image}.jpg"}
    stored = backend.processor.post("/api/processed-images", json={"images": [known, unknown]}).json()
    assert stored == {
        "inserted": 1,
        "errors": [{"imageId": UNKNOWN, "deviceSize": "frame", "error": "unknown image"}],
    }
    failed = backend.processor.patch(f"/api/images/{image}/failed", json={"error": "late", "attempt": 1})
    assert failed.json() == {"success": True}
    assert backend.state(image) == "complete"


def test_pending_returns_at_most_fifty_images(backend: server.BackendServer) -> None:
    backend.upload_photos(53)
    assert len(backend.processor.get("/api/processing/pending").json()) == 50
    assert len(backend.processor.get("/api/processing/pending?limit=1000").json()) == 50
    assert len(backend.processor.get("/api/processing/pending?limit=7").json()) == 7


def test_images_are_listed_page_by_page(backend: server.BackendServer) -> None:
    uploaded = backend.upload_photos(5)
    first = backend.admin.get("/api/images?limit=3").json()
    assert [entry["id"] for entry in first["images"]] == uploaded[:3]
    second = backend.admin.get("/api/images", params={"limit": 3, "after": first["next"]}).json()
    assert [entry["id"] for entry in second["images"]] == uploaded[3:]
    assert second["next"] is None
