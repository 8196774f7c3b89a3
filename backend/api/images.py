"""The photos, as lists and pages show them."""

from __future__ import annotations

import asyncio
from typing import cast, get_args

import msgspec
from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.colours.pair_palette import palette_of_pair
from backend.colours.schemes import default_variant, schemes_of
from backend.database import images
from backend.http.errors import NotFound, UnprocessableEntity
from backend.http.operations import Query, answer, operation, query_int
from backend.services import Services
from contract.messages.admin import FocusBody, ImageInfo, ImageList, Problem
from contract.messages.frames import ColourSchemes, SchemeContrast, SchemeVariant
from contract.messages.processing import Focus, ImageId, ImageState, Palette, Success


class Images:
    """`GET /api/images`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Photos in the order of their arrival, page by page",
        access=Access.ADMIN,
        answers={200: ImageList},
        query=(
            Query("state", ImageState, "only those in this state"),
            Query("limit", int, "how many, 1 to 500; 100 unless told"),
            Query("after", str, "the `next` of the page before"),
        ),
    )
    async def on_get(self, req: Request, resp: Response) -> None:
        try:
            state = msgspec.convert(req.get_param("state"), ImageState | None)
        except msgspec.ValidationError:
            raise UnprocessableEntity(f"state: expected one of {', '.join(get_args(ImageState))}") from None
        limit = query_int(req, "limit", 100, 1, 500)
        found, more = await self.services.database.read(images.page, state, req.get_param("after"), limit)
        answer(resp, ImageList(images=tuple(found), next=found[-1].id if more else None))


class OneImage:
    """`GET /api/images/{image_id}`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("One photo with its variants", access=Access.ADMIN, answers={200: ImageInfo, 404: Problem})
    async def on_get(self, req: Request, resp: Response, image_id: str) -> None:
        found = await self.services.database.read(images.one, image_id)
        if found is None:
            raise NotFound(f"there is no image {image_id[:64]!r}")
        answer(resp, found)

    @operation(
        "Delete a photo, its pictures and all that is known of it",
        access=Access.ADMIN,
        answers={200: Success, 404: Problem},
    )
    async def on_delete(self, req: Request, resp: Response, image_id: str) -> None:
        if not await self.services.deletion.delete(image_id, self.services.clock()):
            raise NotFound(f"there is no image {image_id[:64]!r}")
        self.services.wake_up.set()
        answer(resp, Success())


class ImageFocus:
    """`/api/images/{image_id}/focus`: the point that the photo's pictures are framed around."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Frame a photo's pictures around this point; they are made anew",
        access=Access.ADMIN,
        body=FocusBody,
        answers={200: Success, 404: Problem},
    )
    async def on_put(self, req: Request, resp: Response, image_id: str, body: FocusBody) -> None:
        # Object names carry four digits of it.
        await self._frame(resp, image_id, (round(body.x, 4), round(body.y, 4)))

    @operation(
        "Frame a photo's pictures around the point that the renderer finds",
        access=Access.ADMIN,
        answers={200: Success, 404: Problem},
    )
    async def on_delete(self, req: Request, resp: Response, image_id: str) -> None:
        await self._frame(resp, image_id, None)

    async def _frame(self, resp: Response, image_id: str, point: Focus | None) -> None:
        changed = await self.services.database.write(images.set_focus, image_id, point, self.services.clock())
        if changed is None:
            raise NotFound(f"there is no image {image_id[:64]!r}")
        await self.services.record_writer.save([image_id])
        self.services.wake_up.set()
        answer(resp, Success())


class ImageScheme:
    """`GET /api/images/{image_id}/scheme`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Material 3 schemes, light and dark, from the source colour of the photo, or of two photos together",
        access=Access.ADMIN,
        answers={200: ColourSchemes, 404: Problem},
        query=(
            Query("variant", SchemeVariant, "tonal_spot unless told; fidelity unless told for a neutral palette"),
            Query("contrast", SchemeContrast, "-1 (least) to 1 (most), in hundredths; 0 unless told"),
            Query("with", ImageId, "another photo shown beside it: colours of both, whose palette is answered too"),
        ),
    )
    async def on_get(self, req: Request, resp: Response, image_id: str) -> None:
        variant = cast(SchemeVariant | None, req.get_param("variant"))
        if variant is not None and variant not in get_args(SchemeVariant):
            raise UnprocessableEntity(f"variant: expected one of {', '.join(get_args(SchemeVariant))}")
        try:
            contrast = msgspec.convert(req.get_param("contrast") or "0", SchemeContrast, strict=False)
        except msgspec.ValidationError:
            raise UnprocessableEntity("contrast: expected a number from -1 to 1") from None
        palette, together = await self._palette(image_id, req.get_param("with"))
        # 10 to 45 ms of plain Python, which must not hold up other calls.
        schemes = await asyncio.to_thread(
            schemes_of, palette.source_color, variant or default_variant(palette), contrast
        )
        answer(resp, msgspec.structs.replace(schemes, color_palette=palette) if together else schemes)

    async def _palette(self, image_id: str, other_id: str | None) -> tuple[Palette, bool]:
        """The palette of the photo, or of both; and whether of both."""
        found = await self._found(image_id)
        if found.color_palette is None:
            raise NotFound(f"the image {image_id} has no colours yet; it is {found.processing_status}")
        if other_id is None:
            return found.color_palette, False
        photos = [found, await self._found(other_id)]
        for photo in photos:
            if not photo.histogram:
                raise NotFound(
                    f"the image {photo.id} has no histogram, so that it cannot be combined with another; "
                    f"it is {photo.processing_status}"
                )
        return await asyncio.to_thread(palette_of_pair, *(photo.histogram for photo in photos)), True

    async def _found(self, image_id: str) -> ImageInfo:
        found = await self.services.database.read(images.one, image_id)
        if found is None:
            raise NotFound(f"there is no image {image_id[:64]!r}")
        return found
