"""Files that pages load: thumbnails, originals and static files, all cached by browsers."""

from __future__ import annotations

from urllib.parse import quote

from falcon.asgi import Request, Response

from backend.api.images import find_image
from backend.auth.access import Access
from backend.http.errors import NotFound
from backend.pages.access import page
from backend.pages.base import PageResource
from contract import object_names
from contract.bucket.port import Bucket, ObjectNotFound, name_in
from contract.object_names import MEDIA_TYPES

PRIVATE_IMMUTABLE = "private, max-age=31536000, immutable"
PUBLIC_IMMUTABLE = "public, max-age=31536000, immutable"
MAX_THUMBNAIL_BYTES = 4 * 1024 * 1024


def thumbnail_address(file_path: str | None) -> str | None:
    """Return the address of the thumbnail with this URI, or None if there is no thumbnail."""
    return f"/thumbnails/{file_path.rpartition('/')[2]}" if file_path else None


def picture_address(bucket: Bucket, file_path: str) -> str:
    """Return the address of the variant with this URI. The session permits it, so it needs no signature."""
    return "/pictures/" + quote(name_in(bucket, file_path).removeprefix(object_names.PROCESSED))


class _BucketFile(PageResource):
    """An object of the bucket that never changes."""

    def _send(self, req: Request, resp: Response, media_type: str, data: bytes) -> None:
        self.services.connections.require_room(len(data), req.remote_addr)
        resp.content_type = media_type
        resp.set_header("Cache-Control", PRIVATE_IMMUTABLE)
        resp.data = data


class ThumbnailFile(_BucketFile):
    """`GET /thumbnails/{file}`."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, file: str) -> None:
        try:
            name = object_names.check(object_names.THUMBNAILS + file)
            data = await self.services.in_bucket(self.services.bucket.read, name, MAX_THUMBNAIL_BYTES)
        except (ValueError, ObjectNotFound):
            raise NotFound("there is no thumbnail at this address") from None
        self._send(req, resp, "image/jpeg", data)


class OriginalFile(_BucketFile):
    """`GET /originals/{image_id}`: the upload, byte for byte, for this site's own pages only."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, image_id: str) -> None:
        image = await find_image(self.services, image_id)
        name = name_in(self.services.bucket, image.file_path)
        limit = self.services.settings.upload_limit_mib * 1024 * 1024
        try:
            data = await self.services.in_bucket(self.services.bucket.read, name, limit)
        except ObjectNotFound:
            raise NotFound(f"the original of {image.filename} is missing from the bucket") from None
        self._send(req, resp, MEDIA_TYPES.get(name[name.rfind(".") :], "application/octet-stream"), data)
        # Uploads are untrusted: they must not run as a page of this site, even if a browser takes one for HTML.
        resp.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        resp.set_header("Cross-Origin-Resource-Policy", "same-origin")


class StaticFile(PageResource):
    """`GET /static/{version}/{name}`. An outdated version gets the current file, which is then not cached."""

    @page(access=Access.PUBLIC)
    async def on_get(self, req: Request, resp: Response, version: str, name: str) -> None:
        content = self.site.static.file(name)
        if content is None:
            raise NotFound(f"there is no file {name[:64]!r}")
        resp.content_type = content.media_type
        resp.set_header("Vary", "Accept-Encoding")
        if version == self.site.static.version:
            resp.set_header("Cache-Control", PUBLIC_IMMUTABLE)
        if "gzip" in (req.get_header("Accept-Encoding") or ""):
            resp.set_header("Content-Encoding", "gzip")
            resp.data = content.gzipped
        else:
            resp.data = content.data
