"""The app: every route on one screen."""

from __future__ import annotations

import logging
from typing import Any

import falcon.asgi
from falcon.asgi import Request, Response
from falcon.media.multipart import MultipartFormHandler
from sqlalchemy.exc import OperationalError

from backend.api import admin, devices, frames, health, images, pictures, processing, uploads
from backend.api.openapi import operations_of
from backend.http.errors import HttpProblem, handle_http_problem, serialize_http_error, write_problem
from backend.http.middleware import Middleware
from backend.pages import activity, files, gallery, login, photo, upload
from backend.pages import devices as device_pages
from backend.pages.base import Site
from backend.services import Services
from contract.bucket.port import BucketError

log = logging.getLogger(__name__)

MAX_FORM_FILES = 500
"""Files in one upload form. Falcon's default is 64; page and command line send one file a request."""


def create_app(services: Services) -> falcon.asgi.App[Request, Response]:
    """Return the ASGI app over opened services. Raises TypeError if a responder has no access rule."""
    openapi = health.OpenApi(services)
    site = Site(services)
    monitor = activity.ActivityMonitor(site)
    routes: dict[str, object] = {
        # the processor: legacy calls first
        "/api/processing/pending": processing.Pending(services),
        "/api/processing-attempts/{image_id}/start": processing.AttemptStarts(services),
        "/api/processed-images": processing.Results(services),
        "/api/images/{image_id}/failed": processing.Failures(services),
        "/api/processing/claims": processing.Claims(services),
        "/api/processing/claims/renew": processing.Renewals(services),
        "/api/processing/claims/release": processing.Releases(services),
        # people
        "/login": login.LoginPage(site),
        "/logout": login.LogoutPage(site),
        "/logout/everywhere": login.LogoutEverywherePage(site),
        "/api/admin/upload": uploads.Uploads(services),
        "/api/admin/status": admin.StatusResource(services),
        "/api/admin/flush": admin.Flush(services),
        "/api/admin/sync": admin.Sync(services),
        "/api/admin/retry": admin.Retry(services),
        "/api/images": images.Images(services),
        "/api/images/{image_id}": images.OneImage(services),
        "/api/images/{image_id}/focus": images.ImageFocus(services),
        "/api/images/{image_id}/turn": images.ImageTurn(services),
        "/api/admin/turn": images.Turns(services),
        "/api/images/{image_id}/scheme": images.ImageScheme(services),
        # pages
        "/": gallery.GalleryPage(site),
        "/upload": upload.UploadPage(site),
        "/photos/{image_id}": photo.PhotoPage(site),
        "/devices": device_pages.DevicesPage(site),
        "/devices/{device_id}/frame": device_pages.FramePage(site),
        "/activity": activity.ActivityPage(site, monitor),
        "/activity/events": activity.ActivityEvents(site, monitor),
        "/thumbnails/{file}": files.ThumbnailFile(site),
        "/originals/{image_id}": files.OriginalFile(site),
        "/static/{version}/{name}": files.StaticFile(site),
        # devices
        "/api/devices": devices.Devices(services),
        "/api/devices/{device_id}": devices.OneDevice(services),
        "/api/devices/{device_id}/token": devices.DeviceToken(services),
        "/api/devices/{device_id}/slideshow": frames.DeviceSlideshow(services),
        "/api/devices/{device_id}/next": frames.DeviceNext(services),
        "/api/devices/{device_id}/images/{image_id}": frames.DeviceImage(services),
        "/pictures/{folder}/{file}": pictures.Picture(services),
        # monitoring and the scheduler
        "/_health": health.HealthResource(services),
        "/_live": health.Live(services),
        "/_ready": health.Ready(services),
        "/metrics": health.MetricsResource(services),
        "/openapi.json": openapi,
        "/internal/tick": admin.Tick(services),
    }
    openapi.routes = routes
    list(operations_of(routes))  # raises before anything is served
    origins = frozenset(services.settings.cors_origins.split())
    app = falcon.asgi.App(middleware=[Middleware(origins, services.metrics.requests)])
    for path, resource in routes.items():
        _answer_head(resource)
        app.add_route(path, resource)
    form = app.req_options.media_handlers["multipart/form-data"]
    assert isinstance(form, MultipartFormHandler)
    form.parse_options.max_body_part_count = MAX_FORM_FILES
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(HttpProblem, handle_http_problem)
    app.add_error_handler(BucketError, _handle_bucket_error)
    app.add_error_handler(OperationalError, _handle_database_error)
    app.add_error_handler(Exception, _handle_unexpected_error)
    app.set_error_serializer(serialize_http_error)
    return app


def _answer_head(resource: object) -> None:
    """Make HEAD work wherever GET does (RFC 9110, 9.3.2): the same responder, whose body Falcon does not send."""
    responder = getattr(resource, "on_get", None)
    if responder is not None and not hasattr(resource, "on_head"):
        setattr(resource, "on_head", responder)  # noqa: B010 - the attribute is for Falcon's router only


async def _handle_bucket_error(req: Request, resp: Response, error: BucketError, params: dict[str, Any]) -> None:
    log.error("%s %s: the bucket failed: %s", req.method, req.path, error)
    # A picture is fetched without credentials of our own, so its answer does not contain the bucket's name or folder.
    reason = "the server's log contains the reason" if req.path.startswith("/pictures/") else str(error)
    write_problem(resp, 503 if error.temporary else 500, f"the bucket failed: {reason}")


async def _handle_database_error(req: Request, resp: Response, error: OperationalError, params: dict[str, Any]) -> None:
    log.error("%s %s: the database failed: %s", req.method, req.path, error.orig)
    write_problem(resp, 503, _reason_of(error))


def _reason_of(error: OperationalError) -> str:
    """Return a sentence for clients. A full disk is named, because trying again does not help."""
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL":
        return "the disk of the database is full; the operator has to free space"
    if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return "the database cannot be written; the server's log contains the reason"
    return "the database is busy or cannot be written; try again"


async def _handle_unexpected_error(req: Request, resp: Response, error: Exception, params: dict[str, Any]) -> None:
    if isinstance(error, falcon.HTTPError | falcon.HTTPStatus):
        raise error
    log.exception("%s %s failed", req.method, req.path)
    write_problem(resp, 500, "unexpected server error; see the server's log")
