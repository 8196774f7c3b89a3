"""Uploads: read the form, validate each file, store it, and report one result per file."""

from __future__ import annotations

import asyncio
import logging
import unicodedata

from falcon import MediaNotFoundError
from falcon.asgi import Request, Response
from falcon.asgi.multipart import BodyPart, MultipartForm
from falcon.media.multipart import MultipartParseError

from backend.api.operations import Resource, operation, send_json
from backend.auth.access import Access
from backend.http.errors import (
    HttpProblem,
    PayloadTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    UnprocessableEntity,
    UnsupportedMediaType,
)
from contract.image_header.raw import CameraRaw, read_camera_raw
from contract.messages.admin import Problem, UploadedImage, UploadResult, UploadResults

log = logging.getLogger(__name__)

FIELDS = ("file", "files")
MAX_DRAINED_BYTES = 64 * 1024 * 1024
"""Bytes past the limit that are read and dropped, so that a client that sends the whole file receives the error."""
SLOT_SECONDS = 60.0
"""Time that an upload waits for a free slot before it gets 503."""
FileResult = tuple[str, UploadedImage | HttpProblem]
"""The name of a file, and its image or the error that rejects it."""


def tidy_name(filename: str | None) -> str:
    """Return a name to show and store: the last path part, without control characters, at most 200 characters."""
    last = (filename or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if unicodedata.category(character)[0] != "C").strip()
    return clean[:200] or "unnamed"


class Uploads(Resource):
    """`POST /api/admin/upload`."""

    @operation(
        "Upload one or several photos",
        access=Access.ADMIN,
        media="multipart/form-data",
        responses={
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
        services = self.services
        if not (req.content_type or "").lower().startswith("multipart/form-data"):
            raise UnsupportedMediaType("send the photos as multipart/form-data, each in a field 'file'")
        results: list[FileResult] = []
        try:
            await asyncio.wait_for(services.upload_slots.acquire(), SLOT_SECONDS)
        except TimeoutError:
            raise ServiceUnavailable("too many concurrent uploads; try again in a few seconds") from None
        try:
            # A phone that leaves the network closes no connection: without a limit it would hold its slot for ever.
            async with asyncio.timeout(services.settings.upload_seconds) as limit:
                services.open_uploads.add(limit)
                try:
                    await self._parse_form(await req.get_media(), results)
                finally:
                    services.open_uploads.discard(limit)
        except TimeoutError:
            if services.ending.is_set():
                raise ServiceUnavailable(
                    "the server is stopping; send the photos again in a few seconds", **_partial_results(results)
                ) from None
            raise RequestTimeout(
                f"the upload took longer than {services.settings.upload_seconds:g} s; send fewer photos at a time",
                **_partial_results(results),
            ) from None
        except (MultipartParseError, MediaNotFoundError) as error:
            raise UnprocessableEntity(
                f"the form cannot be read: {error.description or error.title}", **_partial_results(results)
            ) from error
        except UnicodeDecodeError as error:  # from the headers of a part
            raise UnprocessableEntity(
                "the form cannot be read: a part's headers are not UTF-8", **_partial_results(results)
            ) from error
        finally:
            services.upload_slots.release()
        if not results:
            raise UnprocessableEntity("file: the form contains no file; send it as 'file'")
        if len(results) == 1:
            _, result = results[0]
            if isinstance(result, HttpProblem):
                raise result
            send_json(resp, result, 200 if result.duplicate else 201)
        else:
            send_json(resp, UploadResults(results=tuple(_result_line(*result) for result in results)))
        await services.ingest.dispatch()

    async def _parse_form(self, form: MultipartForm, results: list[FileResult]) -> None:
        """Append the result of each file to `results`. Raises MultipartParseError if the form is incomplete."""
        waiting: tuple[str, bytes | HttpProblem] | None = None
        async for part in form:
            # A part is complete only once the next one begins, or the form ends.
            if waiting is not None:
                results.append(await self._finish_file(*waiting))
            waiting = await self._read_part(part) if part.name in FIELDS else None
        if waiting is not None:
            results.append(await self._finish_file(*waiting))

    async def _read_part(self, part: BodyPart) -> tuple[str, bytes | HttpProblem]:
        """Return the name of one file of the form, and its bytes or the error that rejects it."""
        try:
            filename = tidy_name(part.filename)
        except MultipartParseError:
            filename = "unnamed"
        limit = self.services.settings.upload_limit_mib * 1024 * 1024
        data = bytearray()
        drained = 0
        raw: CameraRaw | None = None
        async for chunk in part.stream:
            if drained or len(data) + len(chunk) > limit:
                if not drained:
                    raw = await asyncio.to_thread(read_camera_raw, bytes(data))
                drained += len(chunk)
                data.clear()
                if drained > MAX_DRAINED_BYTES:
                    break
            else:
                data += chunk
        if drained:
            reason = f"larger than the upload limit of {limit // 2**20} MiB"
            if raw is None:
                return filename, PayloadTooLarge(f"{filename}: {reason}")
            return filename, PayloadTooLarge(
                f"{filename}: this camera raw file ({raw.kind.name}) is {reason}; export it as JPEG, "
                "or use `slideshow upload`, which sends the JPEG that the camera embedded"
            )
        return filename, bytes(data)

    async def _finish_file(self, filename: str, content: bytes | HttpProblem) -> FileResult:
        """Store a file that has arrived completely. Returns its image, or the error that rejects it."""
        try:
            if isinstance(content, HttpProblem):
                raise content
            image = await self.services.ingest.store(content, filename)
        except HttpProblem as problem:
            self.services.metrics.uploads.labels("refused").inc()
            log.info("upload rejected: %s", problem.detail)
            return filename, problem
        self.services.metrics.uploads.labels("duplicate" if image.duplicate else "new").inc()
        return filename, image


def _result_line(filename: str, result: UploadedImage | HttpProblem) -> UploadResult:
    """Return the line of one file in the response to several."""
    if isinstance(result, HttpProblem):
        return UploadResult(filename=filename, status=result.status, error=result.detail)
    return UploadResult(
        filename=filename, status=200 if result.duplicate else 201, id=result.id, duplicate=result.duplicate
    )


def _partial_results(results: list[FileResult]) -> dict[str, object]:
    """Return the further member of an error: the results of the files before it, if there are some."""
    return {"results": [_result_line(*result) for result in results]} if results else {}
