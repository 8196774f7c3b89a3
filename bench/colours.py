"""Colours against their rivals, over the proxies of a folder of photos: `python -m bench.colours FOLDER`.

Prints one JSON object: mean CPU milliseconds a photo for each contender, all in one run, photo by photo in turn, so
that a busy machine slows all of them; and how many of the lists of `native.score` equal materialyoucolor's.
With `--node FOLDER`, where `npm install @material/material-color-utilities@0.3.0` was run, the TypeScript takes
part; without it is named as missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from materialyoucolor.quantize import QuantizeCelebi
from materialyoucolor.score.score import Score, ScoreOptions
from numpy.typing import NDArray

import native
from processor.decode import decode, read_header
from processor.decode_plan import standard_shrink
from processor.errors import RenderError
from processor.palette import proxy_pixels

REPEATS = 5  # of the quick contenders

NODE = """
import * as material from '@material/material-color-utilities';
let text = '';
for await (const piece of process.stdin) text += piece;
const answers = JSON.parse(text).map(pixels => {
  material.QuantizerCelebi.quantize(pixels, 128);
  const before = process.cpuUsage();
  material.QuantizerCelebi.quantize(pixels, 128);
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000;
});
console.log(JSON.stringify(answers));
"""


def proxies(folder: Path) -> list[NDArray[np.uint8]]:
    """The proxy of each photo in `folder`, in the order of names; what is no image is left out."""
    found = []
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        try:
            data = path.read_bytes()
            header = read_header(data, path.name)
            found.append(proxy_pixels(decode(data, header, standard_shrink(header), path.name)).copy())
        except RenderError:
            continue
    return found


def cpu_ms(call: Callable[[], Any], repeats: int = 1) -> float:
    """Mean CPU time of a call in milliseconds."""
    begin = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - begin) * 1000 / repeats


def node_ms(folder: Path, pictures: list[NDArray[np.uint8]]) -> float:
    """Mean CPU time of the TypeScript's quantizer in milliseconds, its second run on each picture."""
    packed = [(picture.astype(np.int64) @ [65536, 256, 1] + 0xFF000000).tolist() for picture in pictures]
    ended = subprocess.run(
        ["node", "--input-type=module", "--eval", NODE],
        input=json.dumps(packed),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return float(np.mean(json.loads(ended.stdout)))


def measure(pictures: list[NDArray[np.uint8]]) -> dict[str, float]:
    """Mean CPU milliseconds of each contender that lives in this process."""
    totals: dict[str, float] = {}

    def add(name: str, milliseconds: float) -> None:
        totals[name] = totals.get(name, 0.0) + milliseconds / len(pictures)

    native.score(native.quantize(pictures[0]))
    for picture in pictures:
        listed = picture.tolist()
        histogram = native.quantize(picture)
        add("native.quantize", cpu_ms(lambda p=picture: native.quantize(p), REPEATS))  # type: ignore[misc]
        add("native.score", cpu_ms(lambda h=histogram: native.score(h), REPEATS))  # type: ignore[misc]
        add("materialyoucolor, list ready", cpu_ms(lambda p=listed: QuantizeCelebi(p, 128)))  # type: ignore[misc]
        add("materialyoucolor, list built", cpu_ms(lambda p=picture: QuantizeCelebi(p.tolist(), 128)))  # type: ignore[misc]
        add("materialyoucolor Score", cpu_ms(lambda h=histogram: Score.score(h, ScoreOptions(desired=8))))  # type: ignore[misc]
    return totals


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m bench.colours")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--node", type=Path, help="folder with material-color-utilities in its node_modules")
    arguments = parser.parse_args()
    pictures = proxies(arguments.photos)
    if not pictures:
        sys.stderr.write(f"There is no photo in {arguments.photos}.\n")
        return 2
    results: dict[str, Any] = {"photos": len(pictures), "cpu_ms": measure(pictures)}
    histograms = [native.quantize(picture) for picture in pictures]
    results["equal_lists"] = sum(native.score(h) == Score.score(h, ScoreOptions(desired=8)) for h in histograms)
    if arguments.node is None:
        results["missing"] = ["material-color-utilities 0.3.0 in Node: give --node"]
    else:
        results["cpu_ms"]["material-color-utilities, Node"] = node_ms(arguments.node, pictures)
    sys.stdout.write(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
