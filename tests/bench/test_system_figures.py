"""The arithmetic of the system's cases, on figures made up for it; and the photos that they are measured with."""

from __future__ import annotations

import hashlib
import io
import statistics
from pathlib import Path

import pytest
from PIL import Image

from bench.cases.growth import COUNTS, SWEEP, marginal, start_up
from bench.cases.memory import POINTS_OF_A_LINE, line, windows
from bench.cases.start import slowest_packages
from bench.core.samples import NoSamples, Photo
from bench.system.photos import copies, nearest, small_photos, with_comment
from bench.system.processes import Point
from bench.system.rounds import paced
from bench.tune import Measured, Setting, choose, table


def test_marginal_and_start_up_of_a_straight_line() -> None:
    costs = [(count, 2.0 + count * 0.01) for count in (50, 500, 5000)]
    assert [count for count, _ in marginal(costs)] == [500, 5000]
    assert [cost for _, cost in marginal(costs)] == pytest.approx([0.01, 0.01])
    assert start_up(costs) == pytest.approx(2.0)


def test_marginal_of_a_growing_cost_increases() -> None:
    costs = [(count, count * 0.01 + count**2 * 1e-6) for count in (50, 500, 5000)]
    (_, before), (_, last) = marginal(costs)
    assert last > 1.1 * before


def test_sweep_order_cancels_a_steady_drift() -> None:
    clock = 0.0
    middles: dict[int, list[float]] = {}
    for count in SWEEP:  # each takes as long as it has images, and images get dearer with the hours
        middles.setdefault(count, []).append(clock + count / 2)
        clock += count
    dearer = [(count, count * (1.0 + statistics.median(middles[count]) / clock)) for count in COUNTS]
    (_, before), (_, last) = marginal(dearer)
    assert last == pytest.approx(before)


def test_windows_return_the_first_and_last_samples() -> None:
    points = [Point(float(done), 100.0 + done, done) for done in range(1000)] + [Point(1000.0, 900.0, 1000)]
    first, last = windows(points, total=1000, size=100)
    assert (min(first), max(first)) == (100.0, 199.0)
    assert (min(last), max(last)) == (1000.0, 1099.0)
    with pytest.raises(ValueError, match="too short"):
        windows(points[:100], total=1000, size=100)


def test_line_of_many_points_keeps_its_peak() -> None:
    points = [Point(number / 20, 500.0 if number == 7777 else 100.0, number) for number in range(20_000)]
    drawn = line("a task", points).points
    assert len(drawn) <= POINTS_OF_A_LINE
    assert max(point.rss_mb for point in drawn) == 500.0


def test_slowest_packages_sums_by_package() -> None:
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:       100 |       3000 |     httpx._models",
        "import time:       200 |      90000 | httpx",
        "import time:       300 |       5000 |   ssl",
        "a line of something else",
    ]
    assert slowest_packages(lines, 5) == {"httpx": 0.09, "ssl": 0.005}


def measured(knob: str, value: str, wall: float, peak: float) -> Measured:
    return Measured(setting=Setting(knob=knob, value=value), wall_s=(wall,), cpu_s=(wall,), peak_mb=(peak,), photos=10)


def test_choose_takes_the_least_memory_of_the_fastest() -> None:
    found = [
        measured("as today", "", 10, 300),
        measured("allocator", "a", 10.0, 400),
        measured("allocator", "b", 10.2, 320),
        measured("allocator", "c", 11.0, 200),
        measured("allocator", "d", 5.0, 900),
        measured("read-ahead", "1", 9.0, 5000),
    ]
    chosen = choose(found, memory_mb=512)
    assert chosen == {"allocator": "b"}
    assert [row[:1] for row in table(found, chosen)[1:]] == [" ", " ", "*", " ", " ", " "]


def test_with_comment_changes_the_file_but_not_the_image(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (16, 8), (200, 20, 20)).save(out, "JPEG")
    source = tmp_path / "red.jpg"
    source.write_bytes(out.getvalue())
    made = copies([source], 3, tmp_path / "copies")
    assert len({path.read_bytes() for path in made}) == 3
    pictures = [Image.open(path) for path in made]
    assert {picture.tobytes() for picture in pictures} == {Image.open(source).tobytes()}
    assert pictures[2].info["comment"] == b"copy 2"
    with pytest.raises(ValueError, match="JPEG"):
        with_comment(b"\x89PNG", "no")
    with pytest.raises(NoSamples):
        copies([], 3, tmp_path)


def test_paced_reports_every_few_seconds_and_at_the_end() -> None:
    lines: list[str] = []
    moments = iter([0.0, 1.0, 6.0, 6.0, 7.0, 7.5])
    report = paced(lines.append, 40, "done", clock=lambda: next(moments))
    for done in (5, 20, 30, 40):
        report(done)
    assert lines == ["20 of 40 photos done", "40 of 40 photos done"]


def photo(name: str, width: int, height: int, kind: str = "jpeg") -> Photo:
    return Photo(path=Path(name), format=kind, width=width, height=height, turn=1, progressive=False, file_bytes=1)


def test_nearest_returns_jpeg_files_of_the_size() -> None:
    photos = [
        photo("small.jpg", 2000, 1500),
        photo("thirteen.jpg", 4160, 3120),
        photo("twelve.jpg", 4000, 3000),
        photo("twelve.heic", 4000, 3000, "heic"),
        photo("sixteen.jpg", 4608, 3456),
    ]
    assert [path.name for path in nearest(photos, 12.0)] == ["twelve.jpg", "thirteen.jpg"]


def test_small_photos_are_different_and_reproducible(tmp_path: Path) -> None:
    def digests(folder: str) -> list[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in small_photos(40, tmp_path / folder, seed=3)]

    first = digests("a")
    assert len(set(first)) == 40
    assert digests("b") == first
