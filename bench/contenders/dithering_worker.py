"""Worker of `epaper-dithering` for the case `dithering`, in an interpreter of its own.

It imports nothing of this repository. Each line of its input is a JSON object with `pixels` (a file of raw RGB),
`width`, `height`, `inks`, `mode` and `tone`; each line of its output has `numbers` (a file), `reference` (a file, or
empty) and `cpu_ms`. The time is that of the library's core alone, without Pillow and without copies: its barest form.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from pathlib import Path


def main() -> None:
    """Answer requests until the input ends."""
    import epaper_dithering
    from epaper_dithering import _rs

    sys.stdout.write(json.dumps({"version": epaper_dithering.__version__}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        pixels = Path(request["pixels"]).read_bytes()
        inks = bytes(level for ink in request["inks"] for level in ink)
        tone = None if request["tone"] else 0.0
        options = {"mode_id": request["mode"], "serpentine": True, "tone": tone, "gamut": tone}
        options |= {"exposure": 1.0, "saturation": 1.0, "shadows": 0.0, "highlights": 0.0}
        begin = time.process_time()
        numbers = _rs.dither_image(
            pixels,
            request["width"],
            request["height"],
            palette_bytes=inks,
            accent_idx=len(request["inks"]) - 1,
            **options,
        )
        cpu_ms = 1000 * (time.process_time() - begin)
        into = Path(request["pixels"] + ".numbers")
        into.write_bytes(bytes(numbers))
        reference = ""
        if request["tone"]:
            light = array("d", Path(request["light"]).read_bytes()).tolist()
            light = _rs.gamut_compress(_rs.tone_compress(light, inks, None), inks, None)
            reference = request["pixels"] + ".reference"
            Path(reference).write_bytes(array("d", light).tobytes())
        sys.stdout.write(json.dumps({"numbers": str(into), "reference": reference, "cpu_ms": cpu_ms}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
