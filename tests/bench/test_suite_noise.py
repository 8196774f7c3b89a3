"""Comparison of runs: synthetic slowdowns, noise, drifting machines."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from bench.core.compare import compare, not_comparable, sentence
from bench.core.results import CaseResult, Machine, Run, Sample, SampleSet, Series
from bench.core.statistics import difference, noise_band, paired_ratio

PHOTOS = 14
ROUNDS = 5


def times(seed: int, factor: float = 1.0, noise: float = 0.04, photos: int = PHOTOS, rounds: int = ROUNDS):
    """Seconds by photo: each photo its own, each round with noise, and now and then a round that was disturbed."""
    random = np.random.default_rng(seed)
    of_photo = np.random.default_rng(7).uniform(0.05, 0.2, photos)
    rolled = of_photo[:, None] * factor * np.exp(random.normal(0, noise, (photos, rounds)))
    rolled[random.random((photos, rounds)) < 0.05] *= 1.5
    return {f"photo {place}": row.tolist() for place, row in enumerate(rolled)}


@pytest.mark.parametrize("seed", range(40))
def test_difference_detects_ten_percent_but_not_noise(seed: int) -> None:
    before = times(seed)
    assert difference(before, times(seed + 1000)).verdict == "within noise"
    slower = difference(before, times(seed + 1000, 1.1))
    assert slower.verdict == "slower"
    assert slower.change == pytest.approx(0.1, abs=0.04)
    assert difference(before, times(seed + 1000, 0.9)).verdict == "faster"


@pytest.mark.parametrize("drift", [0.8, 1.25])
def test_difference_subtracts_the_drift_of_the_machine(drift: float) -> None:
    control = (times(1), times(2, drift))
    unchanged = difference(times(3), times(4, drift), control)
    assert unchanged.verdict == "within noise"
    assert unchanged.drift == pytest.approx(drift - 1, abs=0.05)
    assert difference(times(3), times(4, drift * 1.1), control).verdict == "slower"
    assert difference(times(3), times(4, drift)).verdict in ("slower", "faster")


def test_difference_of_one_subject_uses_its_rounds() -> None:
    before = times(5, photos=1, rounds=9, noise=0.01)
    assert difference(before, times(6, photos=1, rounds=9, noise=0.01)).verdict == "within noise"
    assert difference(before, times(6, 1.1, photos=1, rounds=9, noise=0.01)).verdict == "slower"


def test_difference_of_too_few_samples_is_too_little_measured() -> None:
    assert difference(times(1, photos=1, rounds=1), times(2, photos=1, rounds=1)).verdict == "too little measured"
    assert difference({"a": [1.0]}, {"b": [1.0]}).verdict == "too little measured"


def test_noise_band_contains_the_median_and_widens_with_noise() -> None:
    low, high = noise_band([1.0, 1.01, 0.99, 1.02, 0.98])
    assert 0.9 < low < 1.0 < high < 1.1
    wide = noise_band([1.0, 1.2, 0.8, 1.3, 0.7])
    assert wide[0] < low
    assert wide[1] > high
    assert noise_band([2.0]) == (2.0, 2.0)


def test_paired_ratio_pairs_by_round() -> None:
    # The machine was half as fast in the second round, for both.
    assert paired_ratio([1.5, 3.0, 1.5], [1.0, 2.0, 1.0]) == pytest.approx(1.5)


def run_of(*cases: CaseResult, digest: str = "0" * 16) -> Run:
    return Run(
        started="2026-01-01T00:00:00+00:00",
        commit="0123456789",
        dirty=False,
        machine=Machine(system="Linux", cpu="made up", cores=2, memory_mb=1000, python="3.11.0"),
        versions={},
        settings={},
        samples=SampleSet(kind="made", count=PHOTOS, bytes=1, digest=digest),
        cases=cases,
    )


def case_of(cpu: bool = True, **contenders: dict[str, list[float]]) -> CaseResult:
    return CaseResult(
        case="image",
        series=tuple(
            Series(
                contender=name,
                subject=subject,
                samples=tuple(Sample(cpu_s=value if cpu else 0.0, wall_s=value) for value in values),
            )
            for name, own in contenders.items()
            for subject, values in own.items()
        ),
    )


def test_compare_uses_the_floor_as_control() -> None:
    before = run_of(case_of(ours=times(1), floor=times(2)))
    after = run_of(case_of(ours=times(3, 1.3 * 1.1), floor=times(4, 1.3)))
    verdicts = {one.contender: one for one in compare(before, after)}
    assert verdicts["ours"].difference.verdict == "slower"
    assert verdicts["ours"].difference.change == pytest.approx(0.1, abs=0.05)
    assert verdicts["floor"].difference.verdict == "slower"  # a control of its own it has not
    assert "slower" in sentence(verdicts["ours"])
    assert verdicts["ours"].subjects == PHOTOS


def test_compare_uses_a_control_in_the_same_form() -> None:
    before = run_of(case_of(**{"ours, 2 in flight": times(1), "model, 1 in flight": times(2)}))
    after = run_of(case_of(**{"ours, 2 in flight": times(3, 1.3), "model, 1 in flight": times(4, 1.3)}))
    assert [one.difference.drift for one in compare(before, after)] == [0.0, 0.0]
    of_two = {"ours, 2 in flight": times(1), "model, 2 in flight": times(2)}
    after = run_of(case_of(**{"ours, 2 in flight": times(3, 1.3), "model, 2 in flight": times(4, 1.3)}))
    assert next(compare(run_of(case_of(**of_two)), after)).difference.verdict == "within noise"


def test_compare_without_cpu_times_uses_wall_time_and_skips_failed_cases() -> None:
    found = list(compare(run_of(case_of(cpu=False, ours=times(1))), run_of(case_of(cpu=False, ours=times(2)))))
    assert [(one.figure, one.difference.verdict) for one in found] == [("wall", "within noise")]
    assert list(compare(run_of(case_of(ours=times(1))), run_of(CaseResult(case="image", failed="no photo")))) == []


def test_not_comparable_reports_other_photos() -> None:
    assert not_comparable(run_of(), run_of()) == ()
    (said,) = not_comparable(run_of(), run_of(digest="1" * 16))
    assert "photos differ" in said


def test_not_comparable_reports_other_versions() -> None:
    first, second = (msgspec.structs.replace(run_of(), versions={"numpy": "2.3.0", "sharp": of}) for of in ("1", "2"))
    (said,) = not_comparable(first, second)
    assert "sharp 1 and 2" in said
    assert "numpy" not in said


def test_difference_of_few_agreeing_subjects_has_at_least_the_error_of_rounds() -> None:
    before = {f"photo {number}": [1.0, 0.9, 1.1] for number in range(6)}
    after = {name: [1.08 * value for value in own] for name, own in before.items()}  # all the same, by chance
    assert difference(before, after).verdict == "within noise"
    steady = {name: [1.0, 0.999, 1.001] for name in before}
    assert (
        difference(steady, {name: [1.08 * value for value in own] for name, own in steady.items()}).verdict == "slower"
    )
