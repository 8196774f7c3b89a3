"""`slideshow cost`: estimate the cost on Google Cloud from the measured work rate of a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct

from slideshow.client.access import Access, with_access
from slideshow.output import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from backend.jobs.forecast import Forecast
    from backend.jobs.monthly_bill import Household, Item
    from contract.messages.admin import WorkRate

MONTHS = (1_000, 100_000)
"""Photos a month of the monthly table."""
UPLOAD = 50
STEADY_SECONDS = 4 * 3600.0
"""The simulated part of a month in which photos arrive one by one. The rest of the month repeats it."""


class Line(Struct, frozen=True):
    """One row of the first table: the case and its forecast."""

    case: str
    forecast: Forecast


class Month(Struct, frozen=True, kw_only=True):
    """US dollars for a number of photos a month, without the fixed cost of the service."""

    photos: int
    arriving: str
    dollars: float
    model_dollars: float


class Cost(Struct, frozen=True, kw_only=True):
    """All figures. `items` is the bill of a month, the largest item first. The last three are US dollars a month.

    They are for a service that Cloud Scheduler calls, for one with CPU always allocated, and for one with CPU always
    allocated that also renders.
    """

    region: str
    prices_of: str
    work_rate: WorkRate
    cpus: float
    memory_gib: float
    prefers_latency: bool
    household: Household
    items: tuple[Item, ...]
    cases: tuple[Line, ...]
    months: tuple[Month, ...]
    ticked_service_month: float
    always_on_service_month: float
    service_with_workers_month: float


def cost_of(
    work_rate: WorkRate,
    *,
    cpus: float = 2.0,
    memory_gib: float = 1.0,
    latency: bool = False,
    flush_delay: float = 30.0,
    household: Household | None = None,
) -> Cost:
    """Return the forecast.

    Args:
        work_rate: The measured or assumed speed of a task.
        cpus: vCPUs of a task.
        memory_gib: Memory of a task in GiB.
        latency: Plan as with TASKS_PREFER=latency.
        flush_delay: FLUSH_DELAY_SECONDS.
        household: What happens in the month of `items`.
    """
    from backend.jobs import bill, monthly_bill
    from backend.jobs.cloud_run.runner import cloud_profile
    from backend.jobs.forecast import Assumptions, forecast, pending_now, scaled, spread

    assumptions = Assumptions(task=bill.Size(cpus, memory_gib), flush_delay=flush_delay)
    profile = cloud_profile(prefers_latency=latency)
    cases = [
        *((f"{number:,}", pending_now(number)) for number in (1, 50, 500, 5_000)),
        ("5,000 in 10 min", spread(5_000, 600.0)),
    ]
    upload = forecast(pending_now(UPLOAD), work_rate, profile, assumptions)
    months = []
    for photos in MONTHS:
        simulated = max(1, round(photos * STEADY_SECONDS / bill.MONTH_SECONDS))
        steady = forecast(spread(simulated, STEADY_SECONDS), work_rate, profile, assumptions)
        for arriving, month in (
            (f"{UPLOAD} at a time", scaled(upload, photos / UPLOAD)),
            ("one by one", scaled(steady, photos / steady.photos)),
        ):
            months.append(
                Month(photos=photos, arriving=arriving, dollars=month.dollars, model_dollars=month.model_dollars)
            )
    household = household or monthly_bill.Household()
    one = forecast(pending_now(1), work_rate, profile, assumptions)
    return Cost(
        household=household,
        items=tuple(monthly_bill.month(household, household.uploads * one.dollars)),
        region=bill.REGION,
        prices_of=bill.PRICES_OF,
        work_rate=work_rate,
        cpus=cpus,
        memory_gib=memory_gib,
        prefers_latency=latency,
        cases=tuple(Line(name, forecast(arrivals, work_rate, profile, assumptions)) for name, arrivals in cases),
        months=tuple(months),
        ticked_service_month=bill.ticked_month(bill.SERVICE),
        always_on_service_month=bill.always_on_month(bill.SERVICE),
        service_with_workers_month=bill.always_on_month(bill.SERVICE_WITH_WORKERS),
    )


@click.command()
@click.option("--cpus", default=2.0, show_default=True, type=click.FloatRange(1, 8), help="vCPUs of a task.")
@click.option("--memory", default=1.0, show_default=True, type=click.FloatRange(0.5, 32), help="GiB of a task.")
@click.option("--latency", is_flag=True, help="Plan as with TASKS_PREFER=latency: start more tasks, finish sooner.")
@click.option(
    "--flush-delay",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, 86_400, min_open=True),
    help="Plan with this FLUSH_DELAY_SECONDS: how long a photo waits for others.",
)
@click.option("--frames", default=5, show_default=True, type=click.IntRange(0, 10_000), help="Number of frames.")
@click.option(
    "--interval",
    default=30.0,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    help="Seconds after which a frame asks for its next picture.",
)
@click.option("--library", default=10_000, show_default=True, type=click.IntRange(0, 10**8), help="Number of photos.")
@click.option("--assumed", is_flag=True, help="Use an assumed work rate, without a backend.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
@with_access
def cost(
    cpus: float,
    memory: float,
    latency: bool,
    flush_delay: float,
    frames: int,
    interval: float,
    library: int,
    assumed: bool,
    as_json: bool,
    access: Access,
) -> None:
    """Estimate what the system costs on Google Cloud, in US dollars.

    The first table is the bill of a month, the largest item first. The other tables are about rendering. The time
    per photo is measured by the backend, from the photos that its tasks rendered last. The number of tasks and their
    bill are then simulated for several cases, with the code that plans real tasks.
    """
    from backend.jobs.monthly_bill import Household

    rate = _work_rate(access, assumed=assumed)
    figures = cost_of(
        rate,
        cpus=cpus,
        memory_gib=memory,
        latency=latency,
        flush_delay=flush_delay,
        household=Household(frames=frames, interval_seconds=interval, library=library),
    )
    if as_json:
        print_json(figures)
        return
    from rich.console import Console

    console = Console()
    console.print(item_table(figures))
    console.print(heading(figures), highlight=False, soft_wrap=True)
    for table in (case_table(figures), month_table(figures)):
        console.print(table)
    console.print(service_cost(figures), highlight=False, soft_wrap=True)


def _work_rate(access: Access, *, assumed: bool) -> WorkRate:
    if not assumed:
        with access.client() as client:
            measured = client.status().work_rate
        if measured is not None:
            return measured
    from backend.database.throughput import ASSUMED

    return ASSUMED


def heading(figures: Cost) -> str:
    """Return the assumptions behind the figures."""
    rate = figures.work_rate
    basis = (
        f"measured with the latest {rate.photos} photos"
        if rate.photos
        else "assumed, because no backend has measured at least 20 photos"
    )
    return (
        f"A task with {figures.cpus:g} vCPU and {figures.memory_gib:g} GiB takes "
        f"{rate.seconds_per_megapixel * 1000:.1f} ms per megapixel ({basis}), "
        f"{rate.seconds_per_megapixel * rate.megapixels_per_photo:.2f} s for a photo of "
        f"{rate.megapixels_per_photo:.1f} MP.\n"
        f"List prices of {figures.region}, {figures.prices_of}, without the free allowance. A task is billed for at "
        "least a minute."
    )


def _table(title: str, *columns: str) -> Table:
    """Return an empty table with right-aligned columns; the first two are never wrapped."""
    from rich.table import Table

    table = Table(title=title)
    for index, name in enumerate(columns):
        table.add_column(name, justify="right", no_wrap=index < 2)
    return table


def item_table(figures: Cost) -> Table:
    """Return the bill of a month, with its sum."""
    from rich.table import Table

    house = figures.household
    table = Table(
        title=f"A month: {house.frames:,} frames, a picture every {house.interval_seconds:g} s, "
        f"{house.library:,} photos, {house.uploads:,} new ones"
    )
    table.add_column("item", no_wrap=True)
    table.add_column("bill", justify="right", no_wrap=True)
    table.add_column("basis")
    for item in figures.items:
        table.add_row(*item_figures(item))
    table.add_section()
    table.add_row("all", f"${sum(item.dollars for item in figures.items):,.2f}")
    return table


def item_figures(item: Item) -> tuple[str, ...]:
    """Return an item of the bill as text."""
    return item.name, f"${item.dollars:,.2f}", item.basis


def case_table(figures: Cost) -> Table:
    """Return the table of cases."""
    title = "Started and billed tasks (legacy: ten tasks of 2 GiB per batch)"
    table = _table(title, "queued photos", "starts", "tasks", "done after", "billed", "bill", "legacy")
    for line in figures.cases:
        table.add_row(line.case, *case_figures(line))
    return table


def case_figures(line: Line) -> tuple[str, ...]:
    """Return the figures of a case as text: executions, tasks, seconds, billed task seconds, both bills."""
    row = line.forecast
    return (
        str(row.executions),
        str(row.tasks),
        f"{row.seconds:.0f} s",
        f"{row.billed_seconds:,.0f} s",
        f"${row.dollars:.4f}",
        f"${row.model_dollars:.3f}",
    )


def month_table(figures: Cost) -> Table:
    """Return the table of monthly bills."""
    title = "A month of rendering (service with workers: CPU always allocated)"
    table = _table(title, "photos a month", "arrival", "bill", "legacy", "service with workers")
    for month in figures.months:
        table.add_row(*month_figures(month), f"${figures.service_with_workers_month:.2f}")
    return table


def month_figures(month: Month) -> tuple[str, ...]:
    """Return the figures of a month as text: photos, how they arrive, both bills."""
    return f"{month.photos:,}", month.arriving, f"${month.dollars:,.2f}", f"${month.model_dollars:,.2f}"


def service_cost(figures: Cost) -> str:
    """Return a sentence about the fixed cost of the service."""
    return (
        f"The service itself costs ${figures.ticked_service_month:.2f} a month if Cloud Scheduler calls "
        f"it each minute, or ${figures.always_on_service_month:.2f} with CPU always allocated."
    )
