"""Render pictures one after the other, as a task does: `python -m picture_worker FIRST COUNT`, or files.

Prints `begin NAME` before each picture and a line of JSON after it, so that the reader knows which one was the last.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from contract.messages.processing import Device
from processor.codecs.download_buffer import DownloadBuffer
from processor.errors import RenderError
from processor.pool.render_pool import estimated_bytes
from processor.pool.sandbox import too_much_memory
from processor.render.pipeline import render_image
from tests.hostile import mutations
from tests.support.pictures import HALVES

BUDGET = 800 * 2**20
SMALL = (*HALVES[:1], Device(name="thin", width=3, height=200))
PIECE = 700


def chosen(arguments: list[str]) -> Iterator[tuple[str, bytes]]:
    if all(argument.isdigit() for argument in arguments):
        first, count = map(int, arguments)
        yield from map(mutations.mutated, range(first, first + count))
    else:
        yield from ((Path(argument).name, Path(argument).read_bytes()) for argument in arguments)


def arriving(data: bytes) -> DownloadBuffer:
    """Return a download buffer that receives the bytes while they are decoded."""
    buffer = DownloadBuffer(len(data))

    def send() -> None:
        for offset in range(0, len(data), PIECE):
            buffer.write(data[offset : offset + PIECE])
        buffer.end(complete=True)

    threading.Thread(target=send, daemon=True).start()
    return buffer


def peak_mb() -> float:
    """Return the peak memory of this process in MiB; `ru_maxrss` would include that of the parent process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def outcome(name: str, data: bytes, *, streamed: bool) -> dict[str, object]:
    original = arriving(data) if streamed else data
    began = time.process_time()
    try:
        needed = estimated_bytes(original, SMALL, name)
        if needed > BUDGET:
            raise too_much_memory(name, needed, BUDGET)
        rendered = render_image(original, SMALL, name=name)
        sentence, sizes = "", [len(variant.data) for variant in rendered.variants]
        assert min(sizes) > 0
        assert len(rendered.palette.all_colors) == 8
    except RenderError as error:
        sentence = str(error)
    return {
        "name": name,
        "sentence": sentence,
        "seconds": time.process_time() - began,
        "peak_mb": peak_mb(),
    }


def main() -> None:
    for index, (name, data) in enumerate(chosen(sys.argv[1:])):
        print("begin", name, flush=True)  # noqa: T201
        streamed = index % 4 == 3 and name.endswith((".jpg", ".png"))
        print(json.dumps(outcome(name, data, streamed=streamed)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
