"""Every fuzz target over valid inputs and seeded mutations of them, and the lines that `make fuzz` prints."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import INPUT_SECONDS, outcome_of
from tests.fuzz.sentences import MAX_INPUT_BYTES
from tests.fuzz.targets import NAMES, target
from tests.hostile import mutations

MUTATIONS = {"render": 25, "photo_stream": 50}
"""Number of mutations for the targets that decode; all others are faster and get 150."""


@pytest.mark.slow
@pytest.mark.server  # the target `token` fetches its certificate from a server
@pytest.mark.filterwarnings("ignore")  # from Pillow, for truncated EXIF data
@pytest.mark.parametrize("name", NAMES)
def test_target_with_mutated_inputs_raises_declared_errors_only(name: str) -> None:
    chosen = target(name)
    seeds = chosen.seeds()
    assert seeds
    assert max(map(len, seeds)) <= MAX_INPUT_BYTES, "a longer seed would be truncated"
    inputs = list(seeds)
    for number in range(MUTATIONS.get(name, 150)):
        chances = random.Random(f"{name} {number}")
        data = bytearray(chances.choice(seeds))
        mutations.mutate(data, chances)
        inputs.append(bytes(data[:MAX_INPUT_BYTES]))
    for data in (b"", *inputs):
        began = time.process_time()
        try:
            chosen.check(data)
        except Exception as error:
            raise AssertionError(f"{name} fails with {data[:2000]!r}") from error
        assert time.process_time() - began < INPUT_SECONDS


def test_outcome_of_a_finding_has_its_reason_and_its_file() -> None:
    output = (
        "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb\n"
        "#512\tNEW    cov: 1204 ft: 1300 corp: 9/60b lim: 4 exec/s: 0 rss: 44Mb L: 5/6 MS: 1 ChangeBit-\n"
        "\n === Uncaught Python exception: ===\nOverflowError: too large\nTraceback (most recent call last):\n"
        "==7== ERROR: libFuzzer: fuzz target exited\n"
        "artifact_prefix='/x/'; Test unit written to /x/crash-1\nstat::number_of_executed_units: 600\n"
    )
    outcome = outcome_of("exif", output, 77, 5.0, Path("log.txt"))
    assert (outcome.executions, outcome.covered, outcome.input) == (600, 1204, Path("/x/crash-1"))
    assert "600 executions" in outcome.line()
    assert "1 finding: OverflowError: too large, saved in " in outcome.line()
    assert outcome.line().endswith("/x/crash-1")


def test_outcome_without_a_message_depends_on_the_exit_code() -> None:
    assert "1 finding: exit code -9" in outcome_of("exif", "#2\tINITED cov: 1 ft: 1", -9, 5.0, Path("x")).line()
    slow = "==7== ERROR: libFuzzer: timeout after 12 seconds\n"
    assert "1 finding: libFuzzer: timeout after 12 seconds" in outcome_of("exif", slow, 70, 5.0, Path("x")).line()
    assert outcome_of("exif", "#9\tDONE   cov: 4 ft: 5\n", 0, 5.0, Path("x")).line().endswith("0 findings")
