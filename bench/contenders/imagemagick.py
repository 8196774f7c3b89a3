"""ImageMagick as shell scripts use it: one command per variant, with the needed size as a hint for the decoder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders.contender import CannotDo, Contender, Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COMMAND_SECONDS = 60.0
INSTALL = "ImageMagick; apt-get install imagemagick"


@cache
def program() -> str:
    """Return `magick` (version 7), `convert` (version 6), or "" if neither is installed."""
    for name in ("magick", "convert"):
        if shutil.which(name) and "ImageMagick" in _version(name):
            return name
    return ""


def _version(name: str) -> str:
    try:
        ended = subprocess.run([name, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # Another program may have the same name. The first line of ImageMagick: "Version: ImageMagick 6.9.11-60 ..."
    first = ended.stdout.partition("\n")[0]
    return first if ended.returncode == 0 and first.startswith("Version:") else ""


CONTENDER = Contender(
    name="imagemagick",
    summary="ImageMagick: six commands, each with the size hint for its decoder; no colours",
    command=lambda: (sys.executable, "-m", "bench.contenders.worker", "imagemagick"),
    missing=lambda: "" if program() else INSTALL,
    slow=True,
)


class Way:
    """Six commands, one after the other."""

    def __init__(self) -> None:
        from PIL import ImageCms

        self._folder = tempfile.TemporaryDirectory(prefix="bench-imagemagick-")
        self._profile = Path(self._folder.name, "srgb.icc")
        self._profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())

    def versions(self) -> dict[str, str]:
        """Return the version that the program prints."""
        return {"ImageMagick": _version(program()).removeprefix("Version: ImageMagick ").partition(" ")[0]}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Store the path. Each command reads the file, which is in the page cache."""
        self._path, self._outputs = path, tuple(outputs)

    def run(self) -> list[bytes]:
        """Run the six commands."""
        return [
            self._command(
                output,
                *("-sampling-factor", "4:2:0", "-quality", str(output.quality), "-interlace", "none"),
                *("-define", "jpeg:optimize-coding=false", "jpg:-"),
            )
            for output in self._outputs
        ]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Run the same commands with raw pixels as output."""
        import numpy as np

        return [
            np.frombuffer(self._command(output, "-depth", "8", "rgb:-"), np.uint8).reshape(
                output.height, output.width, 3
            )
            for output in self._outputs
        ]

    def _command(self, output: Output, *end: str) -> bytes:
        size = f"{output.width}x{output.height}"
        longest = 2 * max(output.width, output.height)
        command = [
            # One thread: waiting OpenMP threads would use CPU time without rendering.
            *(program(), "-limit", "thread", "1", "-define", f"jpeg:size={longest}x{longest}", self._path + "[0]"),
            *("-auto-orient", "-background", "white", "-alpha", "remove", "-profile", str(self._profile)),
            *("-filter", "Lanczos", "-resize", f"{size}^", "-gravity", "center", "-extent", size, "-strip", *end),
        ]
        ended = subprocess.run(command, capture_output=True, timeout=_COMMAND_SECONDS, check=False)
        if ended.returncode != 0 or not ended.stdout:
            text = ended.stderr.decode(errors="replace").strip()[-200:]
            raise CannotDo(f"ImageMagick cannot render the photo: {text}")
        return ended.stdout
