"""The goal of 50 images in 5 minutes, against the real backend with real tasks; and the figures of a round."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cases.target import GOAL_S, NETWORK, PHOTOS, checks_of, sample_of, timeline
from bench.system import processes
from bench.system.instruments import Instruments
from bench.system.photos import copies
from bench.system.rounds import run_round
from slideshow.demo.samples import SAMPLES, sample_jpeg
from slideshow.photos.screens import DEFAULT_SCREENS

pytestmark = [pytest.mark.server, pytest.mark.skipif(not processes.available(), reason=f"needs {processes.NEEDS}")]


def photos(folder: Path, megapixels: float, count: int) -> list[Path]:
    folder.mkdir()
    sources = []
    for sample in SAMPLES[:3]:
        path = folder / f"{sample.name}.jpg"
        path.write_bytes(sample_jpeg(sample, megapixels))
        sources.append(path)
    return copies(sources, count, folder / "copies")


def test_run_round_of_50_photos_meets_the_goal_and_times_every_stage(tmp_path: Path) -> None:
    result = run_round(
        tmp_path / "round",
        photos(tmp_path / "photos", 0.4, PHOTOS),
        DEFAULT_SCREENS[:2],
        instruments=lambda folder: Instruments(folder=str(folder), stages=True, queries=True),
    )
    assert result.work_s < GOAL_S
    sample = sample_of(result)
    assert sample.cpu_s == pytest.approx(result.backend_cpu_s + result.tasks_cpu_s + result.uploader_cpu_s)
    stages = ("claim", "attempt", "fetch", "header", "decode", "resize", "encode", "colours", "store", "report")
    assert {f"stage_{stage}_s" for stage in stages} <= sample.extra.keys()
    assert sample.extra["stored_bytes"] > sample.extra["sent_bytes"]
    assert sample.peak_rss_mb is not None
    assert sample.peak_rss_mb > 50
    encodes = [span for span in timeline(result) if span.stage == "encode"]
    assert len(encodes) == PHOTOS * 3
    assert result.queries["claims.begin_attempt"].calls == PHOTOS
    assert not (tmp_path / "round").exists()


def test_run_round_with_a_network_delays_every_waiting_stage(tmp_path: Path) -> None:
    result = run_round(
        tmp_path / "round",
        photos(tmp_path / "photos", 0.2, 4),
        DEFAULT_SCREENS[:1],
        instruments=lambda folder: Instruments(folder=str(folder), stages=True, network=NETWORK),
    )
    waits = {"claim", "attempt", "report", "fetch", "store"}
    for spans in result.spans.values():
        assert waits <= {span.stage for span in spans}
        for span in spans:
            if span.stage in waits:
                assert span.end - span.begin >= NETWORK.latency_s * 0.95, span
    assert result.upload_s > NETWORK.latency_s


@pytest.mark.long
def test_run_round_of_50_photos_of_12_mp_meets_the_goal(tmp_path: Path) -> None:
    result = run_round(tmp_path / "round", photos(tmp_path / "photos", 12.0, PHOTOS), DEFAULT_SCREENS)
    checks = checks_of([result])
    assert checks[-1].value == result.work_s < GOAL_S
    assert checks[-1].holds
