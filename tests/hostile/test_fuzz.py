"""Every fuzz target with its good inputs and seeded mutations of them."""

from __future__ import annotations

import random
import time

import pytest
from fuzz.__main__ import INPUT_SECONDS
from fuzz.sentences import MAX_INPUT_BYTES
from fuzz.targets import NAMES, target

MUTATIONS = {"render": 25, "photo_stream": 50}
"""Number of mutations for the targets that decode; all others are faster and get 150."""


@pytest.mark.filterwarnings("ignore")  # Pillow warns about truncated EXIF data
@pytest.mark.parametrize("name", NAMES)
def test_target_with_mutated_inputs_raises_declared_errors_only(name: str) -> None:
    chosen = target(name)
    seeds = chosen.seeds()
    assert seeds
    assert max(map(len, seeds)) <= MAX_INPUT_BYTES, "libFuzzer would truncate a longer one"
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
            raise AssertionError(f"{name} does not handle {data[:2000]!r}") from error
        assert time.process_time() - began < INPUT_SECONDS
