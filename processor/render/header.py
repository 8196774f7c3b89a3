"""Read the header of a photo, and check whether the photo may be decoded. No pixel is decoded here."""

from __future__ import annotations

from dataclasses import dataclass

from contract.image_header.model import Format, HeaderError, ImageHeader, KindNotSupported
from contract.image_header.read import NotAPhoto, read_image_header
from contract.image_header.signatures import Container
from processor.codecs.download_buffer import DownloadBuffer, Original, content_of
from processor.codecs.vips import pyvips
from processor.errors import BrokenPixels, NotAllowed, NotAnImage, RenderError, TooManyPixels
from processor.render.limits import DEFAULT_LIMITS, Limits

Loader = Format

RESEND = "Export the photo again and upload the new file"
_MAX_ITEMS_OF_LIBHEIF = 256


@dataclass(frozen=True, slots=True)
class Header:
    """Facts about a photo that are known before decoding.

    Attributes:
        loader: The decoder.
        width, height: Size in pixels, as stored.
        upright_width, upright_height: Size in pixels after `orientation` is applied.
        orientation: That of EXIF, 1 to 8; 1 for HEIC and AVIF, whose decoders turn the image themselves.
        bands: Colour bands, with alpha.
        bits: Bits per sample, at least 8.
        pages: Number of frames, pages or images, as far as a bounded search finds them. Only one is shown.
        progressive: Whether the file is progressive or interlaced.
        has_alpha: Whether there is transparency.
        samples_per_pixel: Number of samples stored after chroma subsampling: 1.5 for 4:2:0.
        facts: Everything that was read from the file, by the same code as at upload.
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
    progressive: bool
    has_alpha: bool
    samples_per_pixel: float
    facts: ImageHeader
    profile: bytes = b""


def read_header(original: Original, name: str, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header, and reject a photo that may not be decoded.

    `name` is the name of the file in error messages. Raises NotAnImage, NotAllowed, TooManyPixels, or
    BrokenPixels if the header cannot be read.
    """
    try:
        facts = read_image_header(original)
    except HeaderError as error:
        raise _render_error(error, name) from error
    upright_width, upright_height = facts.upright_size
    header = Header(
        loader=facts.format,
        width=facts.width,
        height=facts.height,
        upright_width=upright_width,
        upright_height=upright_height,
        orientation=facts.orientation,
        bands=facts.bands,
        bits=max(8, facts.bits),
        pages=facts.pages,
        progressive=facts.progressive,
        has_alpha=facts.has_alpha,
        samples_per_pixel=facts.chroma_samples,
        facts=facts,
        profile=facts.profile,
    )
    _check_pixels(header, name, limits)
    return header


def open_lazily(original: Original, container: Container, *, shrink: int = 1, items: int = 1) -> pyvips.Image:
    """Open the photo for one pass from top to bottom; nothing is decoded before that pass.

    The loader is named and not detected, so that no other loader (for example of gain-mapped JPEG) is used.
    JPEG and WebP apply `shrink`. JPEG and PNG may still be downloading. Of a HEIF file with this number of `items`,
    the primary one is opened. Raises pyvips.Error.
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
            # Without a page, libvips opens the primary item. Its limit on items would stop grids of more than 60 MP;
            # the header has checked their number and the pixels.
            unlimited = items > _MAX_ITEMS_OF_LIBHEIF
            return pyvips.Image.heifload_buffer(data, unlimited=unlimited, **how)


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


def _render_error(error: HeaderError, name: str) -> RenderError:
    """Return the error of the task for a header that cannot be read. What follows a semicolon is its advice."""
    reason, _, advice = str(error).partition("; ")
    advice = advice[:1].upper() + advice[1:]
    if isinstance(error, NotAPhoto):
        return NotAnImage(name, reason, advice)
    if isinstance(error, KindNotSupported):
        return NotAllowed(name, reason, advice)
    return BrokenPixels(name, reason, RESEND)


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
