"""The start of a task against a real backend: its times, and that no kernel is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cases.start import import_times, load_kernels, start_task
from bench.system import processes
from bench.system.backend import HELD_BACK, MeasuredBackend
from bench.system.photos import small_photos
from bench.system.rounds import warm_up
from slideshow.photos.screens import DEFAULT_SCREENS

pytestmark = [pytest.mark.server, pytest.mark.skipif(not processes.available(), reason=f"needs {processes.NEEDS}")]


def test_start_task_claims_before_its_first_result(tmp_path: Path) -> None:
    with MeasuredBackend(tmp_path / "data", settings={**HELD_BACK, "TICK_SECONDS": "0"}) as backend:
        backend.add_devices(DEFAULT_SCREENS[:1])
        backend.upload(small_photos(1, tmp_path / "photos", seed=1))
        start = start_task(backend, "a-start")
        assert 0 < start.claimed_s < start.result_s < start.ended_s < 30
        assert 0.1 < start.cpu_s < 30


def test_load_kernels_compiles_nothing() -> None:
    warm_up()
    load = load_kernels()
    assert load.compiled == 0
    assert load.kernels
    assert sum(load.kernels.values()) <= load.seconds


def test_imports_before_the_claim_contain_no_rendering_library() -> None:
    imported = import_times(
        "import processor.__main__, contract.bucket.open, processor.backend_api.client, processor.task.loop"
    )
    assert "httpx" in imported
    assert not {"numba", "pyvips", "numpy", "llvmlite", "pi_heif"} & imported.keys()
