"""Every fuzz target over its good inputs and seeded mutations of them, and what `make fuzz` says of its findings."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import INPUT_SECONDS, outcome_of
from tests.fuzz.sentences import LONGEST
from tests.fuzz.targets import NAMES, target
from tests.hostile import mutations

MUTATIONS = {"render": 25, "photo_stream": 50}
"""How many of the targets that decode; all others are quicker."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Pillow's, of EXIF data that end early
@pytest.mark.parametrize("name", NAMES)
def test_mutated_inputs_raise_nothing_but_what_is_declared(name: str) -> None:
    chosen = target(name)
    seeds = chosen.seeds()
    assert seeds
    assert max(map(len, seeds)) <= LONGEST, "a longer one would be cut off before it is tried"
    inputs = list(seeds)
    for number in range(MUTATIONS.get(name, 150)):
        chances = random.Random(f"{name} {number}")
        data = bytearray(chances.choice(seeds))
        mutations.mutate(data, chances)
        inputs.append(bytes(data[:LONGEST]))
    for data in (b"", *inputs):
        began = time.process_time()
        try:
            chosen.check(data)
        except Exception as error:
            raise AssertionError(f"{name} does not take {data[:2000]!r}") from error
        assert time.process_time() - began < INPUT_SECONDS


def test_a_finding_is_told_with_its_reason_and_its_file() -> None:
    said = (
        "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb\n"
        "#512\tNEW    cov: 1204 ft: 1300 corp: 9/60b lim: 4 exec/s: 0 rss: 44Mb L: 5/6 MS: 1 ChangeBit-\n"
        "\n === Uncaught Python exception: ===\nOverflowError: too large\nTraceback (most recent call last):\n"
        "==7== ERROR: libFuzzer: fuzz target exited\n"
        "artifact_prefix='/x/'; Test unit written to /x/crash-1\nstat::number_of_executed_units: 600\n"
    )
    found = outcome_of("exif", said, 77, 5.0, Path("log.txt"))
    assert (found.executions, found.covered, found.found) == (600, 1204, Path("/x/crash-1"))
    assert "600 executions" in found.words()
    assert "1 finding: OverflowError: too large, kept in " in found.words()
    assert found.words().endswith("/x/crash-1")


def test_what_ended_without_words_is_a_finding_too_and_what_ended_well_is_none() -> None:
    assert "1 finding: it ended with -9" in outcome_of("exif", "#2\tINITED cov: 1 ft: 1", -9, 5.0, Path("x")).words()
    slow = "==7== ERROR: libFuzzer: timeout after 12 seconds\n"
    assert "1 finding: libFuzzer: timeout after 12 seconds" in outcome_of("exif", slow, 70, 5.0, Path("x")).words()
    assert outcome_of("exif", "#9\tDONE   cov: 4 ft: 5\n", 0, 5.0, Path("x")).words().endswith("0 findings")
