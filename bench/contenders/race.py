"""Contenders side by side: in each round all of them render the same photo, in a rotating order.

A temporary disturbance of the machine then affects all contenders, and figures of one round can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.contenders import CONTENDERS
from bench.contenders.contender import Contender, outputs
from bench.core.measure import ContenderFailed, Rejected, Worker
from bench.core.results import CaseFailed, Sample, Series
from bench.core.runner import Context
from bench.core.samples import Photo

SLOW_ROUNDS = 1
"""Rounds of a contender that needs seconds per photo."""

WARM_UPS = 2


@dataclass(slots=True)
class Field:
    """The started contenders by name, sentences about missing ones, and the versions of the started ones."""

    workers: dict[str, Worker]
    contenders: dict[str, Contender]
    missing: tuple[str, ...]
    versions: dict[str, str]


@dataclass(slots=True)
class Race:
    """The samples by contender and photo, and sentences about photos that a contender rejected."""

    series: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    rejections: list[str] = field(default_factory=list)

    def as_series(self, photos: Sequence[Photo], notes: dict[str, str]) -> tuple[Series, ...]:
        """Return the series in the order of contenders and photos."""
        groups = {photo.name: photo.group for photo in photos}
        order = [contender.name for contender in CONTENDERS]
        return tuple(
            Series(contender=name, subject=subject, samples=tuple(samples), group=groups[subject], notes=notes[name])
            for (name, subject), samples in sorted(self.series.items(), key=lambda entry: order.index(entry[0][0]))
        )


def wire_outputs() -> Any:
    """Return the outputs in the form that workers receive."""
    return msgspec.to_builtins(outputs())


def prepare_request(photo: Photo) -> dict[str, Any]:
    """Return the request that makes a worker read a photo."""
    return {"do": "prepare", "path": str(photo.path.resolve()), "outputs": wire_outputs()}


def start(stack: ExitStack, context: Context, among: Sequence[str] | None = None) -> Field:
    """Start every contender that is selected and installed. They end with `stack`.

    Raises:
        CaseFailed: No contender can run.
    """
    workers: dict[str, Worker] = {}
    started: dict[str, Contender] = {}
    missing: list[str] = []
    versions: dict[str, str] = {}
    for contender in CONTENDERS:
        if not context.selects(contender.name) or (among is not None and contender.name not in among):
            continue
        requirement = contender.missing()
        if requirement:
            missing.append(f"{contender.name}: {requirement}")
            continue
        try:
            worker = stack.enter_context(Worker(contender.name, contender.command(), context.scratch))
        except ContenderFailed as error:
            raise CaseFailed(str(error)) from error
        workers[contender.name], started[contender.name] = worker, contender
        versions |= worker.versions
    if not workers:
        reason = "; ".join(missing) or "none of the selected contenders takes part in this case"
        raise CaseFailed(f"no contender can run; {reason}")
    return Field(workers, started, tuple(missing), versions)


def race(context: Context, runners: Field, photos: Sequence[Photo]) -> Race:
    """Warm up, then run all rounds over all photos. Raises CaseFailed if a contender dies."""
    result = Race()
    names = list(runners.workers)
    try:
        for name in names:
            _warm_up(runners.workers[name], photos[: 1 if runners.contenders[name].slow else WARM_UPS])
        for number in range(context.rounds):
            for index, photo in enumerate(photos):
                first = (number + index) % len(names)
                for name in (*names[first:], *names[:first]):
                    if not (runners.contenders[name].slow and number >= SLOW_ROUNDS):
                        slowdown = context.slowdown if name == "ours" else 0.0
                        _measure(result, runners.workers[name], photo, slowdown)
            context.report(f"  round {number + 1} of {context.rounds}: {len(photos)} photos, {', '.join(names)}")
    except ContenderFailed as error:
        raise CaseFailed(str(error)) from error
    return result


def _warm_up(worker: Worker, photos: Sequence[Photo]) -> None:
    for photo in photos:
        try:
            worker.ask(prepare_request(photo))
            worker.ask({"do": "run"})
        except Rejected:
            continue


def _measure(result: Race, worker: Worker, photo: Photo, slowdown: float) -> None:
    try:
        worker.ask(prepare_request(photo))
        answer = worker.ask({"do": "run", "slower": slowdown})
    except Rejected as rejection:
        sentence = f"{photo.name} is left out of {rejection}"
        if sentence not in result.rejections:
            result.rejections.append(sentence)
        return
    sample = Sample(
        cpu_s=answer["cpu_s"],
        wall_s=answer["wall_s"],
        peak_rss_mb=answer["peak_rss_mb"],
        extra={"file_bytes": float(answer["file_bytes"])},
    )
    result.series.setdefault((worker.name, photo.name), []).append(sample)
