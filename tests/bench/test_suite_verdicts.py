"""Checks and facts of the cases, computed from synthetic figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cases import image, throughput
from bench.contenders.race import Race
from bench.core.results import Sample
from bench.core.samples import Photo
from bench.quality.jpeg_markers import EncoderSettings
from bench.quality.judge import Picture
from bench.quality.judge import judged as quality

SETTINGS = EncoderSettings((8, 8), "baseline", ((2, 2), (1, 1), (1, 1)), ((1,) * 64,) * 3, ((0, b"\x00"),))


def photo(name: str, width: int = 4000, format_: str = "jpeg") -> Photo:
    return Photo(
        path=Path(name), format=format_, width=width, height=3000, turn=1, progressive=False, file_bytes=3_000_000
    )


def samples(*cpu: float) -> list[Sample]:
    return [Sample(cpu_s=value, wall_s=value) for value in cpu]


def test_judged_image_takes_the_median_over_large_jpeg_photos() -> None:
    photos = [photo("a.jpg"), photo("b.jpg"), photo("c.jpg"), photo("small.jpg", 1000), photo("d.png", format_="png")]
    found = Race()
    for name, cpu in {"a.jpg": 0.10, "b.jpg": 0.14, "c.jpg": 0.16, "small.jpg": 9.0, "d.png": 9.0}.items():
        found.series["ours", name] = samples(cpu, cpu * 2, cpu)  # the machine was slow in the second round
        found.series["floor", name] = samples(0.1, 0.2, 0.1)
        found.series["model", name] = samples(0.7, 1.4, 0.7)
    facts, checks, remarks = image.judged(found, photos)
    assert facts["counted_photos"] == 3
    assert facts["multiple of the floor"] == pytest.approx(1.4)
    assert facts["times less CPU than the model's way"] == pytest.approx(5.0)
    assert {check.name: check.holds for check in checks} == {
        "multiple of the floor": True,
        "times less CPU than the model's way": False,
    }
    assert any("worst 1.60 (c.jpg)" in remark for remark in remarks)


def test_judged_throughput_compares_two_in_flight_with_one_and_with_model() -> None:
    def rates(*values: float) -> list[Sample]:
        return [Sample(cpu_s=1, wall_s=1 / value, extra={"images_per_s": value}) for value in values]

    given = {("ours", 1): rates(10, 10, 2), ("ours", 2): rates(19, 20, 19), ("model", 2): rates(4, 4, 4)}
    _, checks = throughput.judged(given)
    assert [(round(check.value, 2), check.holds) for check in checks] == [(1.9, True), (4.75, False)]


def picture(contender: str, output: str, ssim: float, **figures: float) -> Picture:
    return Picture(
        contender=contender,
        photo=f"{ssim}.jpg",
        output=output,
        settings=SETTINGS,
        figures={"ssim_before_jpeg": ssim, "file_bytes": 1000.0, "ssim_after_jpeg": ssim} | figures,
    )


def holding(pictures: list[Picture]) -> dict[str, bool]:
    return {check.name: check.holds for check in quality(pictures)[1]}


def test_judged_quality_fails_for_one_bad_output() -> None:
    median, worst = "SSIM before JPEG, median of the lowest output", "SSIM before JPEG, worst picture"
    good = [picture("ours", "large", ssim) for ssim in (0.99, 0.998, 0.999)]
    assert holding(good) == {median: True, worst: True}
    low = [picture("ours", "thumbnail", ssim) for ssim in (0.986, 0.99, 0.999)]
    assert holding([*good, *low]) == {median: False, worst: True}
    assert holding([*good, picture("ours", "large", 0.98), picture("ours", "large", 0.9999)]) == {
        median: True,
        worst: False,
    }


def test_judged_quality_compares_loss_and_bytes_by_output() -> None:
    ours = [picture("ours", output, 0.97) for output in ("large", "small")]
    same = [picture("model", output, 0.97, file_bytes=1030.0) for output in ("large", "small")]
    assert all(holding([*ours, *same]).values()) is False  # 0.97 is below what ours promises by itself
    loss = "SSIM after JPEG, most that an output's mean is below model's"
    size = "bytes of an output summed, farthest from model's"
    assert (holding([*ours, *same])[loss], holding([*ours, *same])[size]) == (True, True)
    better = [same[0], picture("model", "small", 0.97, ssim_after_jpeg=0.973, file_bytes=1060.0)]
    assert (holding([*ours, *better])[loss], holding([*ours, *better])[size]) == (False, False)


def test_judged_quality_counts_other_encoder_settings() -> None:
    other = Picture(
        contender="floor",
        photo="0.99.jpg",
        output="large",
        settings=EncoderSettings((8, 8), "baseline", ((1, 1),) * 3, ((1,) * 64,) * 3, ((0, b"\x01"),)),
        figures={"file_bytes": 1.0},
    )
    _, checks, remarks = quality([picture("ours", "large", 0.99), other])
    (check,) = [check for check in checks if "floor" in check.name]
    assert (check.value, check.holds) == (1, False)
    assert any("0.99.jpg, large: sampling, huffman" in remark for remark in remarks)
