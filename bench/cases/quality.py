"""Quality of the variants before and after JPEG encoding, and proof that all contenders do equal work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bench.cases.image import large_jpegs
from bench.contenders.contender import outputs
from bench.contenders.race import prepare_request, start
from bench.core.measure import ContenderFailed, Rejected, Worker
from bench.core.results import CaseFailed, CaseResult, Sample, Series
from bench.core.runner import Context
from bench.core.samples import Photo
from bench.quality.jpeg_markers import EncoderSettings, read_settings
from bench.quality.judge import Picture, judged
from bench.quality.reference import SHIFTS, references
from bench.quality.ssim import psnr, ssim

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "quality"
SUMMARY = "SSIM and PSNR of all variants against a reference, file sizes, and proof of equal work"


def run(context: Context) -> CaseResult:
    """Run every contender once on the JPEG photos of at least 8 megapixels, without timing."""
    photos = large_jpegs(context.photos)
    if not photos:
        raise CaseFailed("the samples contain no JPEG photo of at least 8 megapixels")
    pictures: list[Picture] = []
    rejections: list[str] = []
    with ExitStack() as stack:
        runners = start(stack, context)
        shows = {name: contender.shows_pictures for name, contender in runners.contenders.items()}
        pool = stack.enter_context(ThreadPoolExecutor(2))
        for number, photo in enumerate(photos, 1):
            wanted = references(photo.read(), outputs(), SHIFTS)
            for name, worker in runners.workers.items():
                try:
                    files, before = _render(worker, photo, context.scratch, shows[name])
                except Rejected as rejection:
                    rejections.append(f"{photo.name} is left out of {rejection}")
                    continue
                except ContenderFailed as error:
                    raise CaseFailed(str(error)) from error
                described = pool.map(
                    lambda index, n=name, p=photo, w=wanted, f=files, b=before: _described(n, p, index, w, f, b),
                    range(len(wanted)),
                )
                pictures.extend(described)
            context.report(f"  photo {number} of {len(photos)}: {photo.name}")
    facts, checks, remarks = judged(pictures)
    return CaseResult(
        case=NAME,
        series=tuple(_series(picture) for picture in pictures),
        facts=facts,
        checks=checks,
        missing=runners.missing,
        remarks=(*remarks, *rejections),
        versions=runners.versions,
    )


def _render(
    worker: Worker, photo: Photo, scratch: Path, shows: bool
) -> tuple[list[bytes], list[NDArray[np.uint8]] | None]:
    """Return the JPEG files, and the variants before JPEG encoding or None, in the order of outputs."""
    folder = scratch / worker.name
    folder.mkdir(exist_ok=True)
    worker.ask(prepare_request(photo))
    worker.ask({"do": "run"})
    worker.ask({"do": "files", "folder": str(folder)})
    files = [(folder / f"{output.name}.jpg").read_bytes() for output in outputs()]
    if not shows:
        return files, None
    worker.ask({"do": "pictures", "folder": str(folder)})
    pictures = []
    for output in outputs():
        with Image.open(folder / f"{output.name}.png") as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return files, pictures


def _described(
    contender: str,
    photo: Photo,
    index: int,
    wanted: list[list[NDArray[np.uint8]]],
    files: list[bytes],
    before: list[NDArray[np.uint8]] | None,
) -> Picture:
    settings: EncoderSettings = read_settings(files[index])
    figures = {"file_bytes": float(len(files[index]))}
    # A contender that shows no variants has encoded prepared pixels, so SSIM would mean nothing.
    if before is not None:
        from processor.codecs.vips import pixels_of, pyvips

        # We are compared with the exact crop. For the others, a shift of half a pixel is not an error.
        exact, *shifted = wanted[index]
        reference = exact if contender == "ours" else max((exact, *shifted), key=lambda crop: psnr(crop, before[index]))
        after = pixels_of(pyvips.Image.jpegload_buffer(files[index]))
        figures |= {
            "ssim_before_jpeg": ssim(reference, before[index]),
            "psnr_before_jpeg_db": psnr(reference, before[index]),
            "ssim_after_jpeg": ssim(reference, after),
            "psnr_after_jpeg_db": psnr(reference, after),
        }
    return Picture(
        contender=contender, photo=photo.name, output=outputs()[index].name, settings=settings, figures=figures
    )


def _series(picture: Picture) -> Series:
    return Series(
        contender=picture.contender,
        subject=f"{picture.photo}, {picture.output}",
        group=picture.output,
        samples=(Sample(cpu_s=0.0, wall_s=0.0, extra=picture.figures),),
    )
