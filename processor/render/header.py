"""Read the header of a photo, and check whether the photo may be decoded. No pixel is decoded here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from processor.codecs.download_buffer import DownloadBuffer, Original, beginning_of, content_of
from processor.codecs.vips import PROFILE, pyvips
from processor.errors import BrokenPixels, NotAllowed, NotAnImage, TooManyPixels
from processor.render.file_types import Container, container_of, rejected_format
from processor.render.geometry import upright_size
from processor.render.limits import DEFAULT_LIMITS, Limits

Loader = Literal["jpeg", "png", "webp", "gif", "tiff", "avif", "heic"]

_SAMPLES = {"4:2:0": 1.5, "4:1:1": 1.5, "4:2:2": 2.0, "4:4:0": 2.0}
RESEND = "Export the photo again and upload the new file"
_ALLOWED = "Photos may be JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC"


@dataclass(frozen=True, slots=True)
class Header:
    """Facts about a photo that are known before decoding.

    Attributes:
        loader: The decoder.
        width, height: Size in pixels, as stored.
        upright_width, upright_height: Size in pixels after `orientation` is applied.
        orientation: That of EXIF, 1 to 8; 1 for HEIC and AVIF, whose decoders turn the image themselves.
        bands: Colour bands, with alpha.
        bits: Bits per sample.
        pages: Number of frames, pages or images in the file. Only one is shown.
        page: Index of the one that is shown: the first, or in HEIC and AVIF the primary one.
        progressive: Whether the file is progressive or interlaced.
        has_alpha: Whether there is transparency.
        samples_per_pixel: Number of samples stored after chroma subsampling: 1.5 for 4:2:0.
        profile: ICC profile of a JPEG file; of other formats it is read with the pixels.
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
    samples_per_pixel: float
    profile: bytes = b""


def read_header(original: Original, name: str, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header, and reject a photo that may not be decoded.

    `name` is the name of the file in error messages. Raises NotAnImage, NotAllowed, TooManyPixels, or
    BrokenPixels if the header cannot be read.
    """
    start = beginning_of(original)
    container = container_of(start)
    if container is None:
        raise _format_error(start, name)
    try:
        image = open_lazily(original, container)
    except pyvips.Error as error:
        raise BrokenPixels(name, f"has a damaged header ({condense(error)})", RESEND) from error
    header = _describe(image, container, name)
    _check_pixels(header, name, limits)
    return header


def open_lazily(original: Original, container: Container, *, shrink: int = 1, page: int = 0) -> pyvips.Image:
    """Open the photo for one pass from top to bottom; nothing is decoded before that pass.

    The loader is named and not detected, so that no other loader (for example of gain-mapped JPEG) is used.
    JPEG and WebP apply `shrink`. JPEG and PNG may still be downloading. Raises pyvips.Error.
    Damaged or missing pixels are errors, both here and during the pass.
    """
    how = {"access": "sequential", "fail_on": "error"}
    if isinstance(original, DownloadBuffer) and not original.complete:
        if container == "jpeg":
            return pyvips.Image.jpegload_source(original.source(), shrink=shrink, **how)
        if container == "png":
            return pyvips.Image.pngload_source(original.source(), **how)
    data = content_of(original)
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
    """Return the most useful line of a libvips message, without its prefixes.

    libvips has one message buffer for the whole process. Messages repeat, and those about reading beyond the end come
    before the cause. With several photos in progress another thread may have emptied the buffer; then the reason is
    lost, but not the error.
    """
    text = str(getattr(error, "detail", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if "bad seek" not in line and "unable to " not in line]
    if not useful:
        return "the decoder gave no reason"
    head, colon, tail = useful[-1].partition(": ")
    return tail if colon and " " not in head and tail else useful[-1]


def _format_error(start: bytes, name: str) -> NotAnImage | NotAllowed:
    rejected = rejected_format(start)
    if rejected is not None:
        return NotAllowed(name, f"is {rejected}, which is not supported", _ALLOWED)
    if not start:
        return NotAnImage(name, "is empty", "Upload the photo again")
    return NotAnImage(name, "is not an image: its first bytes match no image format", _ALLOWED)


def _field(image: pyvips.Image, name: str, default: int) -> int:
    """Return an integer field of the header, or `default` if it is missing or of another type."""
    if image.get_typeof(name) == 0:
        return default
    value = image.get(name)
    return value if isinstance(value, int) else default


def _describe(image: pyvips.Image, container: Container, name: str) -> Header:
    loader: Loader
    if container == "heif":
        compression = image.get("heif-compression") if image.get_typeof("heif-compression") else "unknown"
        if compression not in ("av1", "hevc"):
            raise NotAllowed(name, f"is a HEIF file with {compression} inside, which is not supported", _ALLOWED)
        loader = "avif" if compression == "av1" else "heic"
    else:
        loader = container
    orientation = _field(image, "orientation", 1)
    if container == "heif" or not 1 <= orientation <= 8:
        orientation = 1
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
        pages=max(1, _field(image, "n-pages", 1)),
        page=_field(image, "heif-primary", 0) if container == "heif" else 0,
        progressive=bool(_field(image, "interlaced", 0) or _field(image, "jpeg-multiscan", 0)),
        has_alpha=bool(image.hasalpha()),
        samples_per_pixel=_samples_per_pixel(image),
        profile=bytes(image.get(PROFILE)) if container == "jpeg" and image.get_typeof(PROFILE) else b"",
    )


def _samples_per_pixel(image: pyvips.Image) -> float:
    if image.bands == 3 and image.get_typeof("jpeg-chroma-subsample") != 0:
        return _SAMPLES.get(image.get("jpeg-chroma-subsample"), 3.0)
    return float(image.bands)


def _check_pixels(header: Header, name: str, limits: Limits) -> None:
    pixels = header.width * header.height
    progressive = header.progressive and header.loader == "jpeg"
    limit = min(limits.max_pixels, limits.max_progressive_pixels) if progressive else limits.max_pixels
    if pixels > limit:
        kind = "progressive JPEG" if progressive else "photo"
        raise TooManyPixels(
            name,
            f"has {header.width} x {header.height} pixels ({pixels / 1e6:.0f} megapixels); "
            f"a {kind} may have {limit / 1e6:g}",
            "Make it smaller and upload it again",
        )
