"""Small photos for the tests of the command line: a few hundred pixels per side, each with different colours."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

COLOURS = [(200, 60, 40), (40, 120, 200), (60, 160, 70), (220, 180, 60)]


def photo(number: int, size: tuple[int, int] = (480, 360)) -> bytes:
    """Return a JPEG file; another `number` gives another photo."""
    image = Image.new("RGB", size, COLOURS[number % len(COLOURS)])
    image.paste((20 + number, 30, 50), (0, 0, size[0] // 3, size[1] // 2))
    image.paste((240, 240 - number, 230), (size[0] // 2, size[1] // 2, *size))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def four_files(folder: Path) -> Path:
    """Write two photos, a copy of one, and a damaged file with a photo's name; return the folder."""
    folder.mkdir()
    (folder / "a.jpg").write_bytes(photo(0))
    (folder / "b.jpg").write_bytes(photo(1, (300, 400)))
    (folder / "b again.jpg").write_bytes(photo(1, (300, 400)))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff this is no picture")
    return folder
