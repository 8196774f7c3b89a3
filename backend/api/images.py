"""Photos: list, get, delete, set the focus, turn, get the colour schemes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, cast, get_args

import msgspec
from falcon.asgi import Request, Response
from msgspec import Meta

from backend.api.operations import Query, Resource, operation, query_int, send_json
from backend.auth.access import Access
from backend.colours.pair_palette import palette_of_pair
from backend.colours.schemes import default_variant, schemes_of
from backend.database import images
from backend.http.errors import NotFound, UnprocessableEntity
from backend.services import Services
from contract.messages.admin import FocusBody, ImageInfo, ImageList, Problem, TurnAnswer, TurnBody, TurnRequest
from contract.messages.frames import ColourSchemes, SchemeContrast, SchemeVariant
from contract.messages.processing import ImageId, ImageState, Palette, Success


async def find_image(services: Services, image_id: str) -> ImageInfo:
    """Return the photo with this id. Raises NotFound."""
    image = await services.database.read(images.get, image_id)
    if image is None:
        raise NotFound(f"there is no image {image_id[:64]!r}")
    return image


class Images(Resource):
    """`GET /api/images`."""

    @operation(
        "List photos in upload order, page by page",
        access=Access.ADMIN,
        responses={200: ImageList},
        query=(
            Query("state", ImageState, "only photos in this state"),
            Query("limit", Annotated[int, Meta(ge=1, le=500)], "photos per page (default 100)"),
            Query("after", str, "`next` of the previous page"),
        ),
    )
    async def on_get(self, req: Request, resp: Response) -> None:
        try:
            state = msgspec.convert(req.get_param("state"), ImageState | None)
        except msgspec.ValidationError:
            raise UnprocessableEntity(f"state: expected one of {', '.join(get_args(ImageState))}") from None
        limit = query_int(req, "limit", 100, 1, 500)
        page, last = await self.services.database.read(images.page, state, req.get_param("after"), limit)
        send_json(resp, ImageList(images=tuple(page), next=last))


class OneImage(Resource):
    """`GET /api/images/{image_id}`."""

    @operation("Get a photo with its variants", access=Access.ADMIN, responses={200: ImageInfo, 404: Problem})
    async def on_get(self, req: Request, resp: Response, image_id: str) -> None:
        send_json(resp, await find_image(self.services, image_id))

    @operation(
        "Delete a photo, its pictures and its metadata",
        access=Access.ADMIN,
        responses={200: Success, 404: Problem},
    )
    async def on_delete(self, req: Request, resp: Response, image_id: str) -> None:
        if not await self.services.deletion.delete(image_id, self.services.clock()):
            raise NotFound(f"there is no image {image_id[:64]!r}")
        self.services.wake_up.set()
        send_json(resp, Success())


class _OwnersChoice(Resource):
    async def store(self, resp: Response, image_id: str, change: Callable[..., bool | None], value: object) -> None:
        """Store what the owner chose for a photo, which is rendered again. Raises NotFound."""
        services = self.services
        if await services.database.write(change, image_id, value, services.clock()) is None:
            raise NotFound(f"there is no image {image_id[:64]!r}")
        await services.record_writer.save([image_id])
        services.wake_up.set()
        send_json(resp, Success())


class ImageFocus(_OwnersChoice):
    """`/api/images/{image_id}/focus`: the point that the photo's variants are cropped around."""

    @operation(
        "Set a photo's focus, and render its variants again around it",
        access=Access.ADMIN,
        body=FocusBody,
        responses={200: Success, 404: Problem},
    )
    async def on_put(self, req: Request, resp: Response, image_id: str, body: FocusBody) -> None:
        # Object names depend on four decimal places.
        await self.store(resp, image_id, images.set_focus, (round(body.x, 4), round(body.y, 4)))

    @operation(
        "Reset a photo's focus to the point that the renderer detects",
        access=Access.ADMIN,
        responses={200: Success, 404: Problem},
    )
    async def on_delete(self, req: Request, resp: Response, image_id: str) -> None:
        await self.store(resp, image_id, images.set_focus, None)


class ImageTurn(_OwnersChoice):
    """`PUT /api/images/{image_id}/turn`."""

    @operation(
        "Set the quarter turns of a photo after its EXIF orientation, and render its variants again",
        access=Access.ADMIN,
        body=TurnBody,
        responses={200: Success, 404: Problem},
    )
    async def on_put(self, req: Request, resp: Response, image_id: str, body: TurnBody) -> None:
        await self.store(resp, image_id, images.set_turn, body.turn)


class Turns(Resource):
    """`POST /api/admin/turn`."""

    @operation(
        "Turn photos by 90, 180 or 270 degrees clockwise, and render their variants again",
        access=Access.ADMIN,
        body=TurnRequest,
        responses={200: TurnAnswer},
    )
    async def on_post(self, req: Request, resp: Response, body: TurnRequest) -> None:
        now = self.services.clock()
        turned = await self.services.database.write(images.turn_by, body.ids, body.quarters, now)
        await self.services.record_writer.save(turned)
        self.services.wake_up.set()
        send_json(resp, TurnAnswer(turned=len(turned)))


class ImageScheme(Resource):
    """`GET /api/images/{image_id}/scheme`."""

    @operation(
        "Get the light and dark Material 3 schemes of a photo's source colour, or of two photos combined",
        access=Access.ADMIN,
        responses={200: ColourSchemes, 404: Problem},
        query=(
            Query("variant", SchemeVariant, "default: tonal_spot, or fidelity for a neutral palette"),
            Query("contrast", SchemeContrast, "-1 (lowest) to 1 (highest), in hundredths (default 0)"),
            Query("with", ImageId, "id of a second photo shown next to it; the response then has the palette of both"),
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
        palette, combined = await self._palette(image_id, req.get_param("with"))
        # 10 to 45 ms of plain Python, which must not block other requests.
        schemes = await asyncio.to_thread(
            schemes_of, palette.source_color, variant or default_variant(palette), contrast
        )
        send_json(resp, msgspec.structs.replace(schemes, color_palette=palette) if combined else schemes)

    async def _palette(self, image_id: str, other_id: str | None) -> tuple[Palette, bool]:
        """Return the palette of the photo, or of both photos, and whether it is of both."""
        image = await find_image(self.services, image_id)
        if image.color_palette is None:
            raise NotFound(f"the image {image_id} has no colours yet; it is {image.processing_status}")
        if other_id is None:
            return image.color_palette, False
        photos = [image, await find_image(self.services, other_id)]
        for photo in photos:
            if not photo.histogram:
                raise NotFound(
                    f"the image {photo.id} has no histogram and cannot be combined with another; "
                    f"it is {photo.processing_status}"
                )
        return await asyncio.to_thread(palette_of_pair, *(photo.histogram for photo in photos)), True
