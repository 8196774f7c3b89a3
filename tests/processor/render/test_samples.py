"""Real photos from the folder SLIDESHOW_SAMPLES, whose subfolder `odd/` contains the difficult ones."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from processor.render.pipeline import render_image
from tests.support.pictures import DEVICES

ROOT = Path(__file__).resolve().parents[3]

SAMPLES = os.environ.get("SLIDESHOW_SAMPLES")
needs_samples = pytest.mark.skipif(not SAMPLES, reason="SLIDESHOW_SAMPLES names no folder of photos")
KINDS = {".jpg", ".png", ".webp", ".gif", ".tiff", ".tif", ".avif", ".heic", ".svg", ".pdf"}


def files(folder: str) -> list[Path]:
    assert SAMPLES is not None
    return sorted(path for path in (Path(SAMPLES) / folder).iterdir() if path.suffix in KINDS)


@needs_samples
@pytest.mark.timeout(300)
def test_render_image_every_sample_is_rendered() -> None:
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
def test_render_image_turned_heic_sample_is_portrait() -> None:
    turned = [path for path in files(".") if path.name.endswith("-o6.heic")]
    assert turned
    for path in turned:
        rendered = render_image(path.read_bytes(), (), name=path.name)
        assert rendered.orientation == "portrait"


RENDER_ALL = """
import json, sys
from pathlib import Path
from tests.support.pictures import DEVICES
from processor.errors import RenderError
from processor.render.pipeline import render_image
outcomes = {}
for path in map(Path, sys.argv[1:]):
    try:
        outcomes[path.name] = len(render_image(path.read_bytes(), DEVICES, name=path.name).variants)
    except RenderError as error:
        outcomes[path.name] = str(error)
# Not ru_maxrss, which a process inherits from the one that started it: here the whole test run.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([peak, outcomes]))
"""


@pytest.mark.server
@needs_samples
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_render_image_odd_samples_stay_in_memory_and_name_their_file() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RENDER_ALL, *map(str, files("odd"))],
        capture_output=True,
        timeout=110,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    peak, outcomes = json.loads(ran.stdout)
    assert peak < 1024 * 1024  # KiB
    assert len(outcomes) == len(files("odd"))
    refused = {name: outcome for name, outcome in outcomes.items() if outcome != len(DEVICES)}
    assert 0 < len(refused) < len(outcomes)
    for name, sentence in refused.items():
        assert sentence.startswith(f"{name} ")
        assert sentence.endswith(".")
        assert not re.search(r"\b0x[0-9a-f]{4}|\n", sentence)
