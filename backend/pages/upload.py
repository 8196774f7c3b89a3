"""The upload page. It sends each file in its own request to `POST /api/admin/upload`."""

from __future__ import annotations

from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.pages.access import page
from backend.pages.base import PageResource


class UploadPage(PageResource):
    """`GET /upload`."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        await self.site.send_page(req, resp, "upload.html", limit_mib=self.services.settings.upload_limit_mib)
