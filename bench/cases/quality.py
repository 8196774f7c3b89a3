"""How good the pictures are, before and after JPEG, and whether all contenders did the same work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from bench.cases.image import counted
from bench.core.context import Context
from bench.core.measure import ContenderFailed, Refused, Worker
from bench.core.results import CaseFailed, CaseResult, Sample, Series
from bench.core.rounds import start, wire_outputs
from bench.core.samples import Photo
from bench.quality.jpeg_markers import EncoderSettings, read_settings
from bench.quality.judge import Picture, judged
from bench.quality.outputs import outputs
from bench.quality.reference import SHIFTS, references
from bench.quality.ssim import psnr, ssim

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "quality"
SUMMARY = "SSIM and PSNR of every contender's pictures against a reference, bytes, and proof of equal work"


def run(context: Context) -> CaseResult:
    """Every contender once over the JPEG photos of 8 megapixels and more; nothing is timed."""
    photos = counted(context.photos)
    if not photos:
        raise CaseFailed("there is no JPEG photo of 8 megapixels or more among the samples")
    pictures: list[Picture] = []
    refusals: list[str] = []
    with ExitStack() as stack:
        runners = start(stack, context)
        shows = {name: contender.shows_pictures for name, contender in runners.contenders.items()}
        pool = stack.enter_context(ThreadPoolExecutor(2))
        for number, photo in enumerate(photos, 1):
            wanted = references(photo.read(), outputs(), SHIFTS)
            for name, worker in runners.workers.items():
                try:
                    files, before = _made(worker, photo, context.scratch, shows[name])
                except Refused as refusal:
                    refusals.append(f"{photo.name} is left out of {refusal}")
                    continue
                except ContenderFailed as error:
                    raise CaseFailed(str(error)) from error
                described = pool.map(
                    lambda place, n=name, p=photo, w=wanted, f=files, b=before: _described(n, p, place, w, f, b),
                    range(len(wanted)),
                )
                pictures.extend(described)
            context.say(f"  photo {number} of {len(photos)}: {photo.name}")
    facts, checks, remarks = judged(pictures)
    return CaseResult(
        case=NAME,
        series=tuple(_series(picture) for picture in pictures),
        facts=facts,
        checks=checks,
        missing=runners.missing,
        remarks=(*remarks, *refusals),
        versions=runners.versions,
    )


def _made(
    worker: Worker, photo: Photo, scratch: Path, shows: bool
) -> tuple[list[bytes], list[NDArray[np.uint8]] | None]:
    """(The JPEG files, the pictures before JPEG or None) in the order of outputs."""
    folder = scratch / worker.name
    folder.mkdir(exist_ok=True)
    worker.ask({"do": "prepare", "path": str(photo.path.resolve()), "outputs": wire_outputs()})
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
    place: int,
    wanted: list[list[NDArray[np.uint8]]],
    files: list[bytes],
    before: list[NDArray[np.uint8]] | None,
) -> Picture:
    settings: EncoderSettings = read_settings(files[place])
    figures = {"file_bytes": float(len(files[place]))}
    # A contender that shows nothing of its own encoded other pixels: its likeness would say nothing.
    if before is not None:
        from processor.codecs.vips import pixels_of, pyvips

        # Ours is held to the exact crop; of the others' pictures half a pixel's shift is no fault.
        exact, *shifted = wanted[place]
        held = exact if contender == "ours" else max((exact, *shifted), key=lambda one: psnr(one, before[place]))
        after = pixels_of(pyvips.Image.jpegload_buffer(files[place]))
        figures |= {
            "ssim_before_jpeg": ssim(held, before[place]),
            "psnr_before_jpeg_db": psnr(held, before[place]),
            "ssim_after_jpeg": ssim(held, after),
            "psnr_after_jpeg_db": psnr(held, after),
        }
    return Picture(
        contender=contender, photo=photo.name, output=outputs()[place].name, settings=settings, figures=figures
    )


def _series(picture: Picture) -> Series:
    return Series(
        contender=picture.contender,
        subject=f"{picture.photo}, {picture.output}",
        group=picture.output,
        samples=(Sample(cpu_s=0.0, wall_s=0.0, extra=msgspec.convert(picture.figures, dict[str, float])),),
    )
