"""The header of a picture, and whether it may be decoded at all. No pixel is decoded here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from processor.codecs.download_buffer import DownloadBuffer, Original, beginning_of, whole_of
from processor.codecs.vips import pyvips
from processor.errors import BrokenPixels, NotAllowed, NotAnImage, TooManyPixels
from processor.render.file_types import Container, container_of, refused_kind
from processor.render.geometry import upright_size
from processor.render.limits import DEFAULT_LIMITS, Limits

Loader = Literal["jpeg", "png", "webp", "gif", "tiff", "avif", "heic"]

_SAMPLES = {"4:2:0": 1.5, "4:1:1": 1.5, "4:2:2": 2.0, "4:4:0": 2.0}
PROFILE = "icc-profile-data"

_ALLOWED = "Photos may be JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC"


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before decoding. Sizes in pixels, as stored and upright; `bits` per sample.

    `orientation` is EXIF's 1 to 8 (1 for HEIC and AVIF, whose decoders turn the picture
    themselves). `pages` counts frames, pages or pictures in the file; only the first is shown
    (of HEIC and AVIF the one that the file calls primary: `page`). `progressive` is true of
    interlaced files too. `samples_per_pixel` counts what is stored after chroma subsampling: 1.5 for 4:2:0.
    `profile` is the ICC profile of a JPEG file; of other formats it is found again with the pixels.
    """

    loader: Loader
    width: int
    height: int
    upright_width: int
    upright_height: int
    orientation: int
    bands: int
    bits: int
    pages: int
    page: int
    progressive: bool
    has_alpha: bool
    is_animation: bool
    samples_per_pixel: float
    profile: bytes = b""


def read_header(data: Original, name: str, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read what `data` says about itself, and refuse it if it may not be decoded.

    `name` is what messages call the file. Raises NotAnImage, NotAllowed, TooManyPixels, or
    BrokenPixels if not even the header can be read.
    """
    start = beginning_of(data)
    container = container_of(start)
    if container is None:
        raise _refusal(start, name)
    try:
        image = open_lazily(data, container)
    except pyvips.Error as error:
        raise BrokenPixels(name, f"has a damaged header ({condense(error)})", RESEND) from error
    header = _describe(image, container, name)
    _check_pixels(header, name, limits)
    return header


RESEND = "Export the photo again and upload the new file"


def open_lazily(data: Original, container: Container, *, shrink: int = 1, page: int = 0) -> pyvips.Image:
    """Open the picture for one pass from top to bottom; nothing is decoded before that pass.

    The loader is named, never guessed, so that no other one (of gain-mapped JPEG, for example)
    takes its place. `shrink` is honoured by JPEG and WebP. Raises pyvips.Error. Broken or missing
    pixels are errors, both here and during the pass. JPEG and PNG need not be all there yet.
    """
    how = {"access": "sequential", "fail_on": "error"}
    if isinstance(data, DownloadBuffer) and not data.arrived:
        if container == "jpeg":
            return pyvips.Image.jpegload_source(data.source(), shrink=shrink, **how)
        if container == "png":
            return pyvips.Image.pngload_source(data.source(), **how)
    data = whole_of(data)
    match container:
        case "jpeg":
            return pyvips.Image.jpegload_buffer(data, shrink=shrink, **how)
        case "png":
            return pyvips.Image.pngload_buffer(data, **how)
        case "webp":
            return pyvips.Image.webpload_buffer(data, page=0, n=1, scale=1 / shrink, **how)
        case "gif":
            return pyvips.Image.gifload_buffer(data, page=0, n=1, **how)
        case "tiff":
            return pyvips.Image.tiffload_buffer(data, page=0, n=1, **how)
        case "heif":
            return pyvips.Image.heifload_buffer(data, page=page, n=1, **how)


def condense(error: Exception) -> str:
    """The one line of a libvips message that says most, without its prefixes.

    libvips keeps one message buffer for the whole process: it repeats itself, and the noise of
    reading beyond the end stands before the cause. With several pictures at work another thread may
    have emptied the buffer, and the reason is lost; the verdict is not.
    """
    text = str(getattr(error, "detail", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if "bad seek" not in line and "unable to " not in line]
    if not useful:
        return "its decoder gives no reason"
    head, colon, tail = useful[-1].partition(": ")
    return tail if colon and " " not in head and tail else useful[-1]


def _refusal(data: bytes, name: str) -> NotAnImage | NotAllowed:
    kind = refused_kind(data)
    if kind is not None:
        return NotAllowed(name, f"is {kind}, which is not shown", _ALLOWED)
    if not data:
        return NotAnImage(name, "is empty", "Upload the photo again")
    return NotAnImage(name, "is not an image: it begins like no picture format", _ALLOWED)


def _field(image: pyvips.Image, name: str, default: int) -> int:
    """A whole-number field of the header, or `default` where it is absent or something else."""
    if image.get_typeof(name) == 0:
        return default
    value = image.get(name)
    return value if isinstance(value, int) else default


def _describe(image: pyvips.Image, container: Container, name: str) -> Header:
    loader: Loader
    if container == "heif":
        compression = image.get("heif-compression") if image.get_typeof("heif-compression") else "unknown"
        if compression not in ("av1", "hevc"):
            raise NotAllowed(name, f"is a HEIF file with {compression} inside, which is not shown", _ALLOWED)
        loader = "avif" if compression == "av1" else "heic"
    else:
        loader = container
    orientation = _field(image, "orientation", 1)
    if container == "heif" or not 1 <= orientation <= 8:
        orientation = 1
    pages = max(1, _field(image, "n-pages", 1))
    upright_width, upright_height = upright_size(image.width, image.height, orientation)
    sample_bits = {"uchar": 8, "char": 8, "ushort": 16, "short": 16}.get(image.format, 32)
    return Header(
        loader=loader,
        width=image.width,
        height=image.height,
        upright_width=upright_width,
        upright_height=upright_height,
        orientation=orientation,
        bands=image.bands,
        bits=max(sample_bits, _field(image, "bits-per-sample", 8)),
        pages=pages,
        page=_field(image, "heif-primary", 0) if container == "heif" else 0,
        progressive=bool(_field(image, "interlaced", 0) or _field(image, "jpeg-multiscan", 0)),
        has_alpha=bool(image.hasalpha()),
        is_animation=pages > 1 and loader in ("gif", "webp"),
        samples_per_pixel=_samples_per_pixel(image),
        profile=bytes(image.get(PROFILE)) if container == "jpeg" and image.get_typeof(PROFILE) else b"",
    )


def _samples_per_pixel(image: pyvips.Image) -> float:
    if image.bands == 3 and image.get_typeof("jpeg-chroma-subsample") != 0:
        return _SAMPLES.get(image.get("jpeg-chroma-subsample"), 3.0)
    return float(image.bands)


def _check_pixels(header: Header, name: str, limits: Limits) -> None:
    pixels = header.width * header.height
    heavy = header.progressive and header.loader == "jpeg"
    most = min(limits.max_pixels, limits.max_progressive_pixels) if heavy else limits.max_pixels
    if pixels > most:
        kind = "progressive JPEG" if heavy else "photo"
        raise TooManyPixels(
            name,
            f"has {header.width} x {header.height} pixels ({pixels / 1e6:.0f} megapixels); "
            f"a {kind} may have {most / 1e6:g}",
            "Make it smaller and upload it again",
        )
