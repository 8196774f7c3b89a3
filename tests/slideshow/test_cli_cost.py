"""`slideshow cost` without a backend, and that the document has the same figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.database.throughput import ASSUMED
from slideshow.__main__ import main
from slideshow.commands.cost import case_figures, cost_of, month_figures

DOCUMENT = (Path(__file__).parents[2] / "docs/cost.md").read_text()


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("latency", [False, True])
def test_cost_document_has_the_figures_of_the_plan(latency: bool) -> None:
    for line in cost_of(ASSUMED, latency=latency).cases:
        assert row(line.case, *case_figures(line)) in DOCUMENT


def test_cost_document_has_the_monthly_bills() -> None:
    found = cost_of(ASSUMED)
    workers = f"${found.service_with_workers_month:.2f}"
    for month in found.months:
        assert row(*month_figures(month), workers) in DOCUMENT
    for month in cost_of(ASSUMED, flush_delay=900.0).months:
        assert month.arriving != "one by one" or row(*month_figures(month), workers) in DOCUMENT
    assert f"| ${found.ticked_service_month:.2f} |" in DOCUMENT
    assert f"| ${found.always_on_service_month:.2f} |" in DOCUMENT


def test_cost_with_assumed_needs_no_backend() -> None:
    shown = CliRunner().invoke(main, ["cost", "--assumed"])
    assert shown.exit_code == 0, shown.output
    for part in (
        "assumed, because no backend has measured at least 20 photos",
        "us-central1",
        "5,000 in 10 min",
        "$2.400",
        "$101.09",
    ):
        assert part in shown.output
    found = json.loads(CliRunner().invoke(main, ["cost", "--assumed", "--json", "--latency"]).output)
    assert found["prefers_latency"]
    assert found["cases"][2]["forecast"]["tasks"] == 8
