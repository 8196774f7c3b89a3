"""The result of reading a header, and the one error of this package."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Format = Literal["jpeg", "png", "webp", "gif", "tiff", "avif", "heic"]

MAX_EXIF_BYTES = 1 << 20
"""Longer EXIF data are not read. A JPEG segment holds at most 64 KiB of them."""


class HeaderError(ValueError):
    """A header cannot be read. The message completes "NAME ...": "is a PNG file with a damaged header"."""


class KindNotSupported(HeaderError):
    """A header is valid, and declares a kind of file that is not rendered. The message names the kind."""


class CodePoints(Struct, frozen=True):
    """Colour by code points of ITU-T H.273, as in `nclx`, `cICP`, AV1 and HEVC; 2 means unspecified.

    Attributes:
        primaries: Colour primaries (table 2).
        transfer: Transfer characteristics (table 3).
        matrix: Matrix coefficients (table 4).
        full_range: Whether the samples use all code values.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False


class PngColour(Struct, frozen=True):
    """The colour chunks of a PNG file before its pixels (PNG, third edition, 11.3.2).

    Attributes:
        cicp: Chunk `cICP`.
        has_profile: Whether there is an `iCCP` chunk.
        is_srgb: Whether there is an `sRGB` chunk.
        gamma: Chunk `gAMA`: the exponent of the encoding, 0.45455 for most files.
        chromaticities: Chunk `cHRM`: x and y of white, red, green and blue.
    """

    cicp: CodePoints | None = None
    has_profile: bool = False
    is_srgb: bool = False
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None


class HeifFacts(Struct, frozen=True):
    """Facts about the primary item of a HEIF file.

    Attributes:
        nclx: Code points in a `colr` box of the item, or of its first tile.
        bitstream: Code points in the item's own AV1 or HEVC headers.
        has_profile: Whether there is an ICC profile.
        monochrome: Whether the coded image has no chroma.
        tiles: Number of tiles; 1 without a grid.
        items: Number of items in the file.
        pages: Number of images in the file that are shown on their own.
        matrix_offsets: Where in the file the two bytes of each `nclx` matrix lie, followed by the range byte.
    """

    nclx: CodePoints | None = None
    bitstream: CodePoints | None = None
    has_profile: bool = False
    monochrome: bool = False
    tiles: int = 1
    items: int = 1
    pages: int = 1
    matrix_offsets: tuple[int, ...] = ()


class TiffFacts(Struct, frozen=True):
    """Tags of the first page of a TIFF file (TIFF 6.0, section 8)."""

    compression: int = 1
    photometric: int = 0
    sample_format: int = 1
    samples: int = 1
    extra_samples: tuple[int, ...] = ()
    bits: tuple[int, ...] = (1,)
    planar: bool = False
    tiled: bool = False


class ImageHeader(Struct, frozen=True, kw_only=True):
    """The header of a photo.

    Attributes:
        format: The format, from the content.
        width, height: Size in pixels as the decoder returns it. HEIF decoders apply crop, rotation and mirroring.
        orientation: EXIF orientation that is still to be applied, 1 to 8. It is 1 for AVIF and HEIC.
        bits: Bits per sample.
        bands: Colour bands, with alpha.
        has_alpha: Whether there is transparency.
        pages: Number of frames, pages or images, as far as a bounded search finds them.
        progressive: Whether all coefficients of a JPEG, or all rows of a PNG, are needed before the first row.
        chroma_samples: Samples per pixel after chroma subsampling: 1.5 for 4:2:0.
        exif: EXIF data from their TIFF header on, or empty. For a TIFF file they are the file itself, and left out.
        profile: ICC profile of a JPEG file, or empty. The decoders of other formats return it with the pixels.
        adobe_rgb: Whether the EXIF data declare Adobe RGB (DCF 2.0: ColorSpace 65535 and InteropIndex R03).
        png, heif, tiff: Facts about files of these formats.
    """

    format: Format
    width: int
    height: int
    orientation: int = 1
    bits: int = 8
    bands: int = 3
    has_alpha: bool = False
    pages: int = 1
    progressive: bool = False
    chroma_samples: float = 3.0
    exif: bytes = b""
    profile: bytes = b""
    adobe_rgb: bool = False
    png: PngColour | None = None
    heif: HeifFacts | None = None
    tiff: TiffFacts | None = None

    @property
    def upright_size(self) -> tuple[int, int]:
        """Return width and height in pixels after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)
