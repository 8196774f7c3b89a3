"""What pages show beside the frames' pictures: thumbnails and originals. Their names never change their content."""

from __future__ import annotations

from urllib.parse import quote

from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.database import images
from backend.http.errors import NotFound
from backend.pages.access import page
from backend.pages.base import PageResource
from contract import object_names
from contract.bucket.port import Bucket, ObjectNotFound, name_in

KEPT = "private, max-age=31536000, immutable"
THUMBNAIL_LIMIT_BYTES = 4 * 1024 * 1024
KINDS = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".avif": "image/avif",
    ".heic": "image/heic",
}


def thumbnail_address(file_path: str | None) -> str | None:
    """Where a page finds the thumbnail that lies at this URI, or None if there is none."""
    return f"/thumbnails/{file_path.rpartition('/')[2]}" if file_path else None


def picture_address(bucket: Bucket, file_path: str) -> str:
    """Where a page finds the device's picture that lies at this URI; the login lets it through, without a signature."""
    return "/pictures/" + quote(name_in(bucket, file_path).removeprefix(object_names.PROCESSED))


class ThumbnailFile(PageResource):
    """`GET /thumbnails/{file}`."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, file: str) -> None:
        try:
            name = object_names.check(object_names.THUMBNAILS + file)
            data = await self.services.in_bucket(self.services.bucket.read, name, THUMBNAIL_LIMIT_BYTES)
        except (ValueError, ObjectNotFound):
            raise NotFound("there is no such thumbnail") from None
        _send(resp, "image/jpeg", data)


class OriginalFile(PageResource):
    """`GET /originals/{image_id}`: the upload, byte for byte, for this site's own pages only."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, image_id: str) -> None:
        found = await self.services.database.read(images.get, image_id)
        if found is None:
            raise NotFound(f"there is no image {image_id[:64]!r}")
        name = name_in(self.services.bucket, found.file_path)
        limit = self.services.settings.upload_limit_mib * 1024 * 1024
        try:
            data = await self.services.in_bucket(self.services.bucket.read, name, limit)
        except ObjectNotFound:
            raise NotFound(f"the original of {found.filename} is gone") from None
        _send(resp, KINDS.get(name[name.rfind(".") :], "application/octet-stream"), data)
        # It came from outside: whatever a browser makes of it, it is never a page of this site.
        resp.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        resp.set_header("Cross-Origin-Resource-Policy", "same-origin")


def _send(resp: Response, kind: str, data: bytes) -> None:
    resp.content_type = kind
    resp.set_header("Cache-Control", KEPT)
    resp.data = data
