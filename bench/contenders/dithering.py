"""Contenders of the case `dithering`: pixels and inks in, numbers of inks out, with the CPU time in milliseconds."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.panels import Rgb

INTERPRETER = "EPAPER_DITHERING_PYTHON"
"""Environment variable with the interpreter that has epaper-dithering; default: the one that runs the benchmark."""
_WORKER = Path(__file__).with_name("dithering_worker.py")
_FLOYD_STEINBERG, _BURKES = 3, 1
_SECONDS = 60

Pixels = NDArray[np.uint8]
Inks = tuple[Rgb, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dithered:
    """The numbers of the inks, CPU milliseconds, and the contender's own reference in light; None: its input."""

    numbers: Pixels
    cpu_ms: float
    reference: NDArray[np.float64] | None = None


Contender = Callable[[Pixels, Inks], Dithered]


def ours(pixels: Pixels, inks: Inks) -> Dithered:
    """Dither with `native`."""
    import native

    native.dither_picture(pixels[:8, :8], inks)  # builds the tables of the panel, once in a process
    begin = time.process_time()
    numbers = native.dither_picture(pixels, inks)
    cpu_ms = 1000 * (time.process_time() - begin)
    return Dithered(numbers, cpu_ms, native.fit_picture(pixels, inks) / 2**14)


def pillow(pixels: Pixels, inks: Inks) -> Dithered:
    """Dither with Pillow's `quantize`, for the measured inks."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette([level for ink in inks for level in ink] + list(inks[0]) * (256 - len(inks)))
    image = Image.fromarray(pixels)
    begin = time.process_time()
    result = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    cpu_ms = 1000 * (time.process_time() - begin)
    return Dithered(_numbers(np.asarray(result.convert("RGB")), inks), cpu_ms)


def imagemagick(folder: Path) -> Contender:
    """Return a contender that runs `convert -remap`; the CPU of reading and writing alone is subtracted."""

    def run(pixels: Pixels, inks: Inks) -> Dithered:
        from PIL import Image

        source, target, map_ = folder / "in.ppm", folder / "out.ppm", folder / "inks.ppm"
        Image.fromarray(pixels).save(source)
        Image.fromarray(np.array([inks], np.uint8)).save(map_)
        plain = _child_ms("convert", str(source), str(target))
        remapped = _child_ms("convert", str(source), "-dither", "FloydSteinberg", "-remap", str(map_), str(target))
        with Image.open(target) as image:
            return Dithered(_numbers(np.asarray(image.convert("RGB")), inks), max(remapped - plain, 0.0))

    return run


def missing_imagemagick() -> str:
    """Return what is not installed, or an empty string."""
    if shutil.which("convert"):
        shown = subprocess.run(("convert", "-version"), capture_output=True, timeout=_SECONDS, check=False)
        if shown.returncode == 0 and b"ImageMagick" in shown.stdout:
            return ""
    return "ImageMagick; apt install imagemagick"


class EpaperDithering:
    """The library `epaper-dithering` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [os.environ.get(INTERPRETER, sys.executable), str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        first = self._process.stdout.readline() if self._process.stdout else ""
        self.missing = (
            "" if first else f"epaper-dithering 6.1.1; pip install it, or set {INTERPRETER} to its interpreter"
        )
        self.version = json.loads(first)["version"] if first else ""

    def contender(self, *, burkes: bool = True, tone: bool = False) -> Contender:
        """Return a form of the library: Burkes, its default, or Floyd-Steinberg; tone and gamut off or automatic."""

        def run(pixels: Pixels, inks: Inks) -> Dithered:
            height, width = pixels.shape[:2]
            path, light = self._folder / "pixels.rgb", self._folder / "light.f64"
            path.write_bytes(pixels.tobytes())
            light.write_bytes(light_of(pixels).tobytes())
            answer = self._ask(
                pixels=str(path),
                light=str(light),
                width=width,
                height=height,
                inks=inks,
                mode=_BURKES if burkes else _FLOYD_STEINBERG,
                tone=tone,
            )
            numbers = np.frombuffer(Path(answer["numbers"]).read_bytes(), np.uint8).reshape(height, width)
            reference = None
            if answer["reference"]:
                reference = np.fromfile(answer["reference"], np.float64).reshape(pixels.shape)
            return Dithered(numbers, answer["cpu_ms"], reference)

        return run

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker of epaper-dithering has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker of epaper-dithering ended: {self._process.communicate()[1][-500:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=_SECONDS)


def light_of(pixels: Pixels) -> NDArray[np.float64]:
    """Return linear light, 0 to 1, of sRGB pixels (IEC 61966-2-1)."""
    shares = np.arange(256) / 255
    light = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return np.asarray(light[pixels], np.float64)


def _numbers(colours: Pixels, inks: Inks) -> Pixels:
    distance = np.abs(colours[:, :, None].astype(int) - np.array(inks)[None, None]).sum(-1)
    return np.asarray(distance.argmin(-1), np.uint8)


def _child_ms(*command: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, timeout=_SECONDS, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
