"""Real photos, where there are any: SLIDESHOW_SAMPLES names a folder, whose `odd/` holds the difficult ones."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import DEVICES
from PIL import Image

from processor.errors import RenderError
from processor.render import render_image

SAMPLES = os.environ.get("SLIDESHOW_SAMPLES")
needs_samples = pytest.mark.skipif(not SAMPLES, reason="SLIDESHOW_SAMPLES names no folder of photos")
KINDS = {".jpg", ".png", ".webp", ".gif", ".tiff", ".tif", ".avif", ".heic", ".svg", ".pdf"}


def files(folder: str) -> list[Path]:
    assert SAMPLES is not None
    return sorted(path for path in (Path(SAMPLES) / folder).iterdir() if path.suffix in KINDS)


@needs_samples
@pytest.mark.timeout(300)
def test_every_photo_is_rendered() -> None:
    photos = files(".")
    assert photos
    for path in photos:
        rendered = render_image(path.read_bytes(), DEVICES, name=path.name)
        for variant in rendered.variants:
            with Image.open(io.BytesIO(variant.data)) as image:
                assert image.size == (variant.device.width, variant.device.height), path.name
        assert len(rendered.palette.all_colors) == 8
        assert len(rendered.histogram) > 20, f"{path.name} has lost its colours"


@needs_samples
def test_heic_is_upright_and_in_colour() -> None:
    turned = [path for path in files(".") if path.name.endswith("-o6.heic")]
    assert turned
    for path in turned:
        rendered = render_image(path.read_bytes(), (), name=path.name)
        assert rendered.orientation == "portrait"


@needs_samples
def test_every_odd_file_is_rendered_or_refused_by_name() -> None:
    rendered, refused = [], {}
    for path in files("odd"):
        try:
            rendered.append(render_image(path.read_bytes(), DEVICES, name=path.name))
        except RenderError as error:
            refused[path.name] = str(error)
    assert rendered
    assert refused
    for name, sentence in refused.items():
        assert sentence.startswith(f"{name} ")
        assert sentence.endswith(".")
        assert "0x" not in sentence


@needs_samples
def test_odd_files_need_little_memory() -> None:
    script = (
        "import sys, resource\nfrom pathlib import Path\n"
        "from pictures import DEVICES\nfrom processor.errors import RenderError\n"
        "from processor.render import render_image\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        render_image(Path(name).read_bytes(), DEVICES, name=name)\n"
        "    except RenderError:\n        continue\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    tests = Path(__file__).parent
    ran = subprocess.run(
        [sys.executable, "-c", script, *map(str, files("odd"))],
        capture_output=True,
        timeout=110,
        check=True,
        env={"PYTHONPATH": f"{tests.parents[1]}:{tests}", "PATH": "/usr/bin:/bin"},
    )
    assert int(ran.stdout) < 1024 * 1024  # KiB
