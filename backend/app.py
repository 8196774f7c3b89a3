"""The app: every route on one screen."""

from __future__ import annotations

import logging
import time
from typing import Any

import falcon.asgi
from falcon.asgi import Request, Response
from falcon.media.multipart import MultipartFormHandler
from sqlalchemy.exc import OperationalError

from backend.api import admin, devices, frames, health, images, pictures, processing, uploads
from backend.http import headers
from backend.http.errors import HttpProblem, handle_http_problem, serialize_http_error, write_problem
from backend.http.openapi import operations
from backend.pages import activity, files, gallery, login, photo, static_files, upload
from backend.pages import devices as device_pages
from backend.pages.base import Site
from backend.services import Services
from contract.bucket.port import BucketError

log = logging.getLogger(__name__)

MAX_FILES_IN_A_FORM = 500
"""Falcon's own limit is 64; page and command line send one file a request."""


def create_app(services: Services) -> falcon.asgi.App[Request, Response]:
    """The ASGI app over opened services. Raises TypeError for a responder that says not who may call it."""
    openapi = health.OpenApi(services)
    site = Site(services)
    watch = activity.Watch(site)
    routes: dict[str, object] = {
        # given calls of the processor, and ours beside them
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
        "/api/admin/upload": uploads.Uploads(services),
        "/api/admin/status": admin.StatusResource(services),
        "/api/admin/flush": admin.Flush(services),
        "/api/admin/sync": admin.Sync(services),
        "/api/admin/retry": admin.Retry(services),
        "/api/images": images.Images(services),
        "/api/images/{image_id}": images.OneImage(services),
        "/api/images/{image_id}/focus": images.ImageFocus(services),
        "/api/images/{image_id}/scheme": images.ImageScheme(services),
        # their pages
        "/": gallery.GalleryPage(site),
        "/upload": upload.UploadPage(site),
        "/photos/{image_id}": photo.PhotoPage(site),
        "/devices": device_pages.DevicesPage(site),
        "/devices/{device_id}/frame": device_pages.FramePage(site),
        "/activity": activity.ActivityPage(site, watch),
        "/activity/events": activity.ActivityEvents(site, watch),
        "/thumbnails/{file}": files.ThumbnailFile(site),
        "/originals/{image_id}": files.OriginalFile(site),
        "/static/{version}/{name}": static_files.StaticResource(site, site.static),
        # devices
        "/api/devices": devices.Devices(services),
        "/api/devices/{device_id}": devices.OneDevice(services),
        "/api/devices/{device_id}/slideshow": frames.DeviceSlideshow(services),
        "/api/devices/{device_id}/next": frames.DeviceNext(services),
        "/api/devices/{device_id}/images/{image_id}": frames.DeviceImage(services),
        "/pictures/{folder}/{file}": pictures.Picture(services),
        # machines
        "/_health": health.HealthResource(services),
        "/_ready": health.Ready(services),
        "/metrics": health.MetricsResource(services),
        "/openapi.json": openapi,
        "/internal/tick": admin.Tick(services),
    }
    openapi.routes = routes
    list(operations(routes))  # raises before anything is served
    app = falcon.asgi.App(middleware=[_Timing(services)])
    for path, resource in routes.items():
        app.add_route(path, resource)
    form = app.req_options.media_handlers["multipart/form-data"]
    assert isinstance(form, MultipartFormHandler)
    form.parse_options.max_body_part_count = MAX_FILES_IN_A_FORM
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(HttpProblem, handle_http_problem)
    app.add_error_handler(BucketError, _bucket_failed)
    app.add_error_handler(OperationalError, _database_failed)
    app.add_error_handler(Exception, _unforeseen)
    app.set_error_serializer(serialize_http_error)
    return app


class _Timing:
    """Measures each request, and sends the headers that every answer carries."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._origins = frozenset(services.settings.cors_origins.split())

    async def process_request(self, req: Request, resp: Response) -> None:
        req.context.began = time.perf_counter()
        headers.begin(resp)

    async def process_response(self, req: Request, resp: Response, resource: object, succeeded: bool) -> None:
        headers.complete(req, resp, self._origins)
        elapsed = time.perf_counter() - req.context.began
        self._services.metrics.requests.add(req.method, resp.status_code, elapsed)


async def _bucket_failed(req: Request, resp: Response, error: BucketError, params: dict[str, Any]) -> None:
    log.error("%s %s: the bucket failed: %s", req.method, req.path, error)
    write_problem(resp, 503 if error.temporary else 500, f"the bucket failed: {error}")


async def _database_failed(req: Request, resp: Response, error: OperationalError, params: dict[str, Any]) -> None:
    log.error("%s %s: the database failed: %s", req.method, req.path, error.orig)
    write_problem(resp, 503, "the database is busy or cannot be written; try again")


async def _unforeseen(req: Request, resp: Response, error: Exception, params: dict[str, Any]) -> None:
    if isinstance(error, falcon.HTTPError | falcon.HTTPStatus):
        raise error
    log.exception("%s %s failed", req.method, req.path)
    write_problem(resp, 500, "the server failed in a way that nobody foresaw; its log says more")
