"""The interface of a contender: to the suite, and, if it is written in Python, to its worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from contract.recipes import THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLOURS = 128
"""The maximum number of colours of the quantizer, for every contender that extracts a palette."""


class Output(Struct, frozen=True):
    """One variant: upright, cropped at the centre to cover `width` x `height`, a JPEG file of `quality`.

    All are baseline, 4:2:0, with standard Huffman tables, in sRGB and without metadata.
    """

    name: str
    width: int
    height: int
    quality: int


def outputs() -> tuple[Output, ...]:
    """Return the six outputs of the suite: the default screens at the device profile, and the thumbnail."""
    from processor.codecs.jpeg import DEVICE, THUMBNAIL
    from slideshow.photos.screens import DEFAULT_SCREENS

    screens = tuple(Output(screen.name, screen.width, screen.height, DEVICE.quality) for screen in DEFAULT_SCREENS)
    return (*screens, Output("thumbnail", THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT, THUMBNAIL.quality))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that renders the six outputs of a photo.

    Attributes:
        name: The name in results.
        summary: One line for people.
        command: Returns the command of a process that answers the requests of `bench/core/measure.py`. It is called
            only if nothing is missing.
        missing: Returns what is not installed and how to install it, or "".
        slow: It needs seconds per photo, so it is measured in fewer rounds.
        colours: It also extracts the palette.
        shows_pictures: It can return its variants before JPEG encoding.
    """

    name: str
    summary: str
    command: Callable[[], Sequence[str]]
    missing: Callable[[], str]
    slow: bool = False
    colours: bool = False
    shows_pictures: bool = True


class Way(Protocol):
    """A contender that is written in Python."""

    def versions(self) -> dict[str, str]:
        """Return the versions of its libraries."""

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Do everything that is not timed. The following `run` renders this photo."""

    def run(self) -> list[bytes]:
        """Render all outputs once, and return the JPEG files in their order. Safe to call from several threads."""

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Return the variants before JPEG encoding: uint8 (height, width, 3). Raises CannotDo."""


class CannotDo(Exception):
    """The contender does not support this photo or this request. The message gives the reason."""
