"""Contenders side by side: in each round every one does the same photo, and another one begins.

What disturbs the machine for a while then disturbs all of them, and figures of one round can be set beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.contenders import CONTENDERS
from bench.contenders.contender import Contender
from bench.core.context import Context
from bench.core.measure import ContenderFailed, Refused, Worker
from bench.core.results import CaseFailed, Sample, Series
from bench.core.samples import Photo
from bench.quality.outputs import outputs

SLOW_ROUNDS = 1
"""Rounds of a contender that needs seconds a photo."""

WARM_UPS = 2


@dataclass(slots=True)
class Field:
    """Contenders that are ready to run, by name; who is missing; and what the ready ones are made of."""

    workers: dict[str, Worker]
    contenders: dict[str, Contender]
    missing: tuple[str, ...]
    versions: dict[str, str]


@dataclass(slots=True)
class Race:
    """What a round-robin found: `series` by contender and photo, and sentences about photos that were refused."""

    series: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)

    def as_series(self, photos: Sequence[Photo], notes: dict[str, str]) -> tuple[Series, ...]:
        """The series in the order of contenders and photos."""
        groups = {photo.name: photo.group for photo in photos}
        return tuple(
            Series(contender=name, subject=subject, samples=tuple(samples), group=groups[subject], notes=notes[name])
            for (name, subject), samples in sorted(self.series.items(), key=lambda entry: _place(entry[0][0]))
        )


def wire_outputs() -> Any:
    """The outputs as workers get them."""
    return msgspec.to_builtins(outputs())


def start(stack: ExitStack, context: Context, among: Sequence[str] | None = None) -> Field:
    """Start every contender that is wanted and installed; they end with `stack`. Raises CaseFailed if none is left."""
    workers: dict[str, Worker] = {}
    chosen: dict[str, Contender] = {}
    missing: list[str] = []
    versions: dict[str, str] = {}
    for contender in CONTENDERS:
        if not context.wants(contender.name) or (among is not None and contender.name not in among):
            continue
        lack = contender.missing()
        if lack:
            missing.append(f"{contender.name}: {lack}")
            continue
        try:
            worker = stack.enter_context(Worker(contender.name, contender.command(), context.scratch))
        except ContenderFailed as error:
            raise CaseFailed(str(error)) from error
        workers[contender.name], chosen[contender.name] = worker, contender
        versions |= worker.versions
    if not workers:
        raise CaseFailed(f"no contender can run; {'; '.join(missing) or 'none that was named takes part in this case'}")
    return Field(workers, chosen, tuple(missing), versions)


def race(context: Context, runners: Field, photos: Sequence[Photo]) -> Race:
    """Warm up, then all rounds over all photos. Raises CaseFailed if a contender dies."""
    found = Race()
    names = list(runners.workers)
    try:
        for name in names:
            _warm_up(runners.workers[name], photos[: 1 if runners.contenders[name].slow else WARM_UPS])
        for number in range(context.rounds):
            for place, photo in enumerate(photos):
                first = (number + place) % len(names)
                for name in (*names[first:], *names[:first]):
                    if not (runners.contenders[name].slow and number >= SLOW_ROUNDS):
                        slower = context.planted if name == "ours" else 0.0
                        _one(found, runners.workers[name], photo, slower)
            context.say(f"  round {number + 1} of {context.rounds}: {len(photos)} photos, {', '.join(names)}")
    except ContenderFailed as error:
        raise CaseFailed(str(error)) from error
    return found


def _warm_up(worker: Worker, photos: Sequence[Photo]) -> None:
    for photo in photos:
        try:
            worker.ask({"do": "prepare", "path": str(photo.path.resolve()), "outputs": wire_outputs()})
            worker.ask({"do": "run"})
        except Refused:
            continue


def _one(found: Race, worker: Worker, photo: Photo, slower: float) -> None:
    try:
        worker.ask({"do": "prepare", "path": str(photo.path.resolve()), "outputs": wire_outputs()})
        answer = worker.ask({"do": "run", "slower": slower})
    except Refused as refusal:
        sentence = f"{photo.name} is left out of {refusal}"
        if sentence not in found.refusals:
            found.refusals.append(sentence)
        return
    sample = Sample(
        cpu_s=answer["cpu_s"],
        wall_s=answer["wall_s"],
        peak_rss_mb=answer["peak_rss_mb"],
        extra={"file_bytes": float(answer["file_bytes"])},
    )
    found.series.setdefault((worker.name, photo.name), []).append(sample)


def _place(name: str) -> int:
    return next(place for place, contender in enumerate(CONTENDERS) if contender.name == name)
