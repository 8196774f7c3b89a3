"""Uploads: hashed and measured while they arrive, kept only when they are pictures."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import unicodedata
from collections.abc import AsyncIterator

from falcon import MediaNotFoundError
from falcon.asgi import Request, Response
from falcon.asgi.multipart import BodyPart, MultipartForm
from falcon.media.multipart import MultipartParseError

from backend.auth.access import Access
from backend.http.errors import (
    HttpProblem,
    PayloadTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    UnprocessableEntity,
    UnsupportedMediaType,
)
from backend.http.operations import answer, operation
from backend.services import Services
from contract.messages.admin import Problem, UploadedImage, UploadResult, UploadResults

log = logging.getLogger(__name__)

FIELDS = ("file", "files")
# What is read and thrown away past the limit, so that a client that sends on hears the refusal.
DRAINED_BYTES = 64 * 1024 * 1024

PLACE_SECONDS = 60.0
"""So long an upload waits for those before it; its sender then tries again."""


def tidy_name(filename: str | None) -> str:
    """A name fit to be shown and stored: the last path part, no control characters, at most 200 long."""
    last = (filename or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if unicodedata.category(character)[0] != "C").strip()
    return clean[:200] or "unnamed"


class Uploads:
    """`POST /api/admin/upload`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Upload one or several photos",
        access=Access.ADMIN,
        media="multipart/form-data",
        answers={
            200: (UploadedImage, UploadResults),
            201: UploadedImage,
            408: Problem,
            413: Problem,
            415: Problem,
            422: Problem,
            503: Problem,
        },
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        if not (req.content_type or "").lower().startswith("multipart/form-data"):
            raise UnsupportedMediaType("send the photos as multipart/form-data, each in a field 'file'")
        results: list[tuple[str, UploadedImage | HttpProblem]] = []
        async with self._place():
            try:
                # A phone that leaves the network says nothing: without an end it would keep its place for ever.
                async with asyncio.timeout(self.services.settings.upload_seconds):
                    await self._take_all(await req.get_media(), results)
            except TimeoutError:
                seconds = self.services.settings.upload_seconds
                raise RequestTimeout(
                    f"the upload took longer than {seconds:g} s; send fewer photos at a time", **_told(results)
                ) from None
            except (MultipartParseError, MediaNotFoundError) as error:
                raise UnprocessableEntity(
                    f"the form cannot be read: {error.description or error.title}", **_told(results)
                ) from error
            except UnicodeDecodeError as error:  # from the headers of a part
                raise UnprocessableEntity(
                    "the form cannot be read: a part's headers are not UTF-8", **_told(results)
                ) from error
        if not results:
            raise UnprocessableEntity("file: the form holds no file; send it as 'file'")
        if len(results) == 1:
            _, result = results[0]
            if isinstance(result, HttpProblem):
                raise result
            answer(resp, result, 200 if result.duplicate else 201)
        else:
            answer(resp, _lines(results))
        await self.services.ingest.dispatch()

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the few places for uploads. Raises Unavailable if none gets free in time."""
        slots = self.services.upload_slots
        try:
            await asyncio.wait_for(slots.acquire(), PLACE_SECONDS)
        except TimeoutError:
            raise ServiceUnavailable("as many uploads as may are under way already; try again soon") from None
        try:
            yield
        finally:
            slots.release()

    async def _take_all(self, form: MultipartForm, results: list[tuple[str, UploadedImage | HttpProblem]]) -> None:
        """Add to `results` what became of each file. Raises MultipartParseError if the form breaks off."""
        waiting: tuple[str, bytes | HttpProblem] | None = None
        async for part in form:
            # Only what follows a part shows that it has arrived whole.
            if waiting is not None:
                results.append(await self._settle(*waiting))
            waiting = await self._receive(part) if part.name in FIELDS else None
        if waiting is not None:
            results.append(await self._settle(*waiting))

    async def _receive(self, part: BodyPart) -> tuple[str, bytes | HttpProblem]:
        """The name and the bytes of one file of the form, or why it is refused."""
        try:
            filename = tidy_name(part.filename)
        except MultipartParseError:
            filename = "unnamed"
        try:
            return filename, await self._read(part, filename)
        except PayloadTooLarge as refusal:
            return filename, refusal

    async def _settle(self, filename: str, received: bytes | HttpProblem) -> tuple[str, UploadedImage | HttpProblem]:
        """The image that a file became, or why it was refused."""
        try:
            if isinstance(received, HttpProblem):
                raise received
            image = await self.services.ingest.store(received, filename)
        except HttpProblem as refusal:
            self.services.metrics.uploads.labels("refused").inc()
            log.info("upload refused: %s", refusal.detail)
            return filename, refusal
        self.services.metrics.uploads.labels("duplicate" if image.duplicate else "new").inc()
        return filename, image

    async def _read(self, part: BodyPart, filename: str) -> bytes:
        limit = self.services.settings.upload_limit_mib * 1024 * 1024
        data = bytearray()
        drained = 0
        async for chunk in part.stream:
            if drained or len(data) + len(chunk) > limit:
                drained += len(chunk)
                data.clear()
                if drained > DRAINED_BYTES:
                    break
            else:
                data += chunk
        if drained:
            raise PayloadTooLarge(f"{filename}: larger than the {limit // 2**20} MiB that an upload may have")
        return bytes(data)


def _lines(results: list[tuple[str, UploadedImage | HttpProblem]]) -> UploadResults:
    return UploadResults(results=tuple(_line(name, result) for name, result in results))


def _told(results: list[tuple[str, UploadedImage | HttpProblem]]) -> dict[str, object]:
    """What a refusal of the whole adds: what became of the files before."""
    return {"results": _lines(results).results} if results else {}


def _line(filename: str, result: UploadedImage | HttpProblem) -> UploadResult:
    if isinstance(result, HttpProblem):
        return UploadResult(filename=filename, status=result.status, error=result.detail)
    return UploadResult(
        filename=filename, status=200 if result.duplicate else 201, id=result.id, duplicate=result.duplicate
    )
