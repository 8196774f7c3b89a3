"""`slideshow cost` without a backend, and that the document has the same figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.database.throughput import ASSUMED
from backend.jobs import bill, monthly_bill
from slideshow.__main__ import main
from slideshow.commands.cost import case_figures, cost_of, item_figures, month_figures

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


def test_cost_document_has_the_items_of_a_month_the_largest_first() -> None:
    items = cost_of(ASSUMED).items
    assert [item.dollars for item in items] == sorted((item.dollars for item in items), reverse=True)
    assert "\n".join(row(*item_figures(item)) for item in items) in DOCUMENT
    assert f"**${sum(item.dollars for item in items):,.2f}**" in DOCUMENT


def test_cost_document_has_the_figures_of_its_notes() -> None:
    hour = 3600 * monthly_bill.service_second(bill.SERVICE)
    for dollars in (
        hour,
        720 * hour,
        monthly_bill.soft_delete_month(34, 30),
        monthly_bill.soft_delete_month(3.4, 30),
        monthly_bill.cloud_sql_month(1, 3.75, 10),
    ):
        assert f"${dollars:.2f}" in DOCUMENT


def test_traffic_grows_with_frames_and_is_named_first() -> None:
    """150 KiB x 86,400 are 12.36 GiB a month for one frame, at $0.12."""
    one = {item.name: item.dollars for item in monthly_bill.month(monthly_bill.Household(frames=1), 0.0)}
    assert one["pictures sent to frames"] == pytest.approx(86_400 * 150 / 1024**2 * 0.12)
    shown = CliRunner().invoke(main, ["cost", "--assumed", "--frames", "10"])
    lines = [line for line in shown.output.splitlines() if "$" in line]
    assert "pictures sent to frames" in lines[0]
    assert "$14.83" in lines[0]


def test_cost_with_assumed_needs_no_backend() -> None:
    shown = CliRunner().invoke(main, ["cost", "--assumed"])
    assert shown.exit_code == 0, shown.output
    for part in (
        "assumed, because no backend has measured at least 20 photos",
        "us-central1",
        "5,000 in 10 min",
        "$2.400",
        "$103.68",
    ):
        assert part in shown.output
    found = json.loads(CliRunner().invoke(main, ["cost", "--assumed", "--json", "--latency"]).output)
    assert found["prefers_latency"]
    assert found["cases"][2]["forecast"]["tasks"] == 8
