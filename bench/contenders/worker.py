"""The process of a contender written in Python: `python -m bench.contenders.worker NAME`.

It answers the requests of `bench/core/measure.py`, and ends when its input ends. `NAME` is a module of this folder with
a class `Way`.
"""

from __future__ import annotations

import copy
import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders.contender import CannotDo, Output, Way


def cpu_seconds() -> float:
    """Return the user and system time of this process and of its ended child processes."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return the result of the work, and its CPU and wall time."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    result = work()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}


def delayed(work: Callable[[], Any], share: float) -> Any:
    """Do the work, then use `share` of its CPU time again: a synthetic slowdown."""
    begin = cpu_seconds()
    result = work()
    until = begin + (cpu_seconds() - begin) * (1 + share)
    while share > 0 and cpu_seconds() < until:
        pass
    return result


class RequestHandler:
    """Answers the requests of one worker."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._outputs: tuple[Output, ...] = ()
        self._files: list[bytes] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response as a plain object. Raises CannotDo."""
        match request["do"]:
            case "hello":
                return {"versions": self._way.versions()}
            case "prepare":
                self._outputs = _outputs(request)
                self._way.prepare(request["path"], Path(request["path"]).read_bytes(), self._outputs)
                return {}
            case "run":
                slower = float(request.get("slower", 0.0))
                self._files, cost = timed(lambda: delayed(self._way.run, slower))
                peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
                return {**cost, "file_bytes": sum(map(len, self._files)), "children_peak_mb": peak}
            case "many":
                return self._many(request["paths"], _outputs(request), int(request["in_flight"]))
            case "files":
                for output, file in zip(self._outputs, self._files, strict=True):
                    Path(request["folder"], f"{output.name}.jpg").write_bytes(file)
                return {}
            case "pictures":
                self._write_pictures(Path(request["folder"]))
                return {}
            case unknown:
                raise CannotDo(f"there is no request {unknown!r}")

    def _many(self, paths: list[str], outputs: tuple[Output, ...], in_flight: int) -> dict[str, Any]:
        """Prepare all photos, then render them, `in_flight` at a time."""
        ways = []
        for path in paths:
            way = copy.copy(self._way)
            way.prepare(path, Path(path).read_bytes(), outputs)
            ways.append(way)
        with ThreadPoolExecutor(in_flight) as pool:
            list(pool.map(lambda _: time.sleep(0.01), range(in_flight)))  # starts the threads
            _, cost = timed(lambda: list(pool.map(lambda way: len(way.run()), ways)))
        return cost

    def _write_pictures(self, folder: Path) -> None:
        from PIL import Image

        for output, picture in zip(self._outputs, self._way.pictures(), strict=True):
            Image.fromarray(picture).save(folder / f"{output.name}.png", compress_level=1)


def _outputs(request: dict[str, Any]) -> tuple[Output, ...]:
    return msgspec.convert(request["outputs"], tuple[Output, ...])


def main() -> None:
    """Answer requests until the input ends."""
    handler = RequestHandler(import_module(f"bench.contenders.{sys.argv[1]}").Way())
    for line in sys.stdin:
        try:
            answer = handler.answer(json.loads(line))
        except CannotDo as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
