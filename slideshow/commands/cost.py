"""`slideshow cost`: what the work costs on Google Cloud, by what this installation has measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct

from slideshow.client.access import Access, with_access

if TYPE_CHECKING:
    from rich.table import Table

    from backend.jobs.forecast import Forecast
    from contract.messages.admin import WorkRate

MONTHS = (1_000, 100_000)
UPLOAD = 50
EVENLY_SECONDS = 4 * 3600.0
"""So much of an even month is looked at; the rest of it is the same."""


class Line(Struct, frozen=True):
    """One case of the forecast: what happens, and what the plan makes of it."""

    case: str
    forecast: Forecast


class Month(Struct, frozen=True, kw_only=True):
    """US dollars for so many photos a month, without the standing costs of the service."""

    photos: int
    arriving: str
    dollars: float
    model_dollars: float


class Cost(Struct, frozen=True, kw_only=True):
    """All of it. Standing costs in US dollars a month: for ticks by Cloud Scheduler, and for CPU that is always
    there, of the service alone and of one that renders by itself.
    """

    region: str
    prices_of: str
    work_rate: WorkRate
    cpus: float
    memory_gib: float
    prefers_latency: bool
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
) -> Cost:
    """The forecast for a rate of work, a size of the tasks, and how long a photo may wait for company (seconds)."""
    from backend.jobs import bill
    from backend.jobs.cloud_run.runner import cloud_profile
    from backend.jobs.forecast import Assumptions, forecast, pending_now, scaled, spread

    around = Assumptions(task=bill.Size(cpus, memory_gib), flush_delay=flush_delay)
    profile = cloud_profile(prefers_latency=latency)
    cases = [
        *((f"{number:,}", pending_now(number)) for number in (1, 50, 500, 5_000)),
        ("5,000 in 10 min", spread(5_000, 600.0)),
    ]
    upload = forecast(pending_now(UPLOAD), work_rate, profile, around)
    months = []
    for photos in MONTHS:
        of_them = max(1, round(photos * EVENLY_SECONDS / bill.MONTH_SECONDS))
        evenly = forecast(spread(of_them, EVENLY_SECONDS), work_rate, profile, around)
        for arriving, month in (
            (f"{UPLOAD} at a time", scaled(upload, photos / UPLOAD)),
            ("one by one", scaled(evenly, photos / evenly.photos)),
        ):
            months.append(
                Month(photos=photos, arriving=arriving, dollars=month.dollars, model_dollars=month.model_dollars)
            )
    return Cost(
        region=bill.REGION,
        prices_of=bill.PRICES_OF,
        work_rate=work_rate,
        cpus=cpus,
        memory_gib=memory_gib,
        prefers_latency=latency,
        cases=tuple(Line(name, forecast(arrivals, work_rate, profile, around)) for name, arrivals in cases),
        months=tuple(months),
        ticked_service_month=bill.ticked_month(bill.SERVICE),
        always_on_service_month=bill.always_on_month(bill.SERVICE),
        service_with_workers_month=bill.always_on_month(bill.SERVICE_WITH_WORKERS),
    )


@click.command()
@click.option("--cpus", default=2.0, show_default=True, type=click.FloatRange(1, 8), help="vCPUs of a task.")
@click.option("--memory", default=1.0, show_default=True, type=click.FloatRange(0.5, 32), help="GiB of a task.")
@click.option("--latency", is_flag=True, help="With TASKS_PREFER=latency: more tasks at once, sooner done.")
@click.option(
    "--flush-delay",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, 86_400, min_open=True),
    help="With this FLUSH_DELAY_SECONDS: how long a photo waits for others.",
)
@click.option("--assumed", is_flag=True, help="Ask no backend; calculate with a usual time for a photo.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
@with_access
def cost(
    cpus: float, memory: float, latency: bool, flush_delay: float, assumed: bool, as_json: bool, access: Access
) -> None:
    """Show what rendering costs on Google Cloud, in US dollars.

    How long a photo takes is measured, from those that the backend's tasks rendered last. How many tasks are started
    when, and what they are billed, is then worked out for several cases, by the same code that starts them.
    """
    from slideshow.output import print_json

    rate = _rate(access, assumed=assumed)
    found = cost_of(rate, cpus=cpus, memory_gib=memory, latency=latency, flush_delay=flush_delay)
    if as_json:
        print_json(found)
        return
    from rich.console import Console

    console = Console()
    console.print(heading(found), highlight=False, soft_wrap=True)
    for table in (case_table(found), month_table(found)):
        console.print(table)
    console.print(standing_costs(found), highlight=False, soft_wrap=True)


def _rate(access: Access, *, assumed: bool) -> WorkRate:
    if not assumed:
        with access.client() as client:
            known = client.status().work_rate
        if known is not None:
            return known
    from backend.database.throughput import ASSUMED

    return ASSUMED


def heading(found: Cost) -> str:
    """What the figures rest on."""
    rate = found.work_rate
    basis = (
        f"measured on the latest {rate.photos} photos"
        if rate.photos
        else "assumed: fewer than 20 photos were measured yet, or nobody was asked"
    )
    return (
        f"A task of {found.cpus:g} vCPU and {found.memory_gib:g} GiB takes {rate.seconds_per_megapixel * 1000:.1f} ms "
        f"for a megapixel ({basis}), {rate.seconds_per_megapixel * rate.megapixels_per_photo:.2f} s for a photo of "
        f"{rate.megapixels_per_photo:.1f} MP.\n"
        f"List prices of {found.region}, {found.prices_of}, without the free allowance; a task is billed for a minute "
        "at least."
    )


def case_table(found: Cost) -> Table:
    """The plan's course in each case, beside ten tasks a batch."""
    from rich.table import Table

    table = Table(title="What is started and billed; 'model': the former system, ten tasks of 2 GiB a batch")
    table.add_column("photos wait", justify="right", no_wrap=True)
    for name in ("starts", "tasks", "done after", "billed", "bill", "model"):
        table.add_column(name, justify="right")
    for line in found.cases:
        table.add_row(line.case, *case_figures(line))
    return table


def case_figures(line: Line) -> tuple[str, ...]:
    """The figures of a case as text: executions, tasks, seconds, billed task seconds, dollars of both ways."""
    one = line.forecast
    return (
        str(one.executions),
        str(one.tasks),
        f"{one.seconds:.0f} s",
        f"{one.billed_seconds:,.0f} s",
        f"${one.dollars:.4f}",
        f"${one.model_dollars:.3f}",
    )


def month_table(found: Cost) -> Table:
    """The bill for a month of rendering."""
    from rich.table import Table

    table = Table(title="A month of rendering; last: workers that always run, in a service")
    table.add_column("photos a month", justify="right")
    table.add_column("arriving", no_wrap=True)
    for name in ("bill", "model", "service with workers"):
        table.add_column(name, justify="right")
    for month in found.months:
        table.add_row(*month_figures(month), f"${found.service_with_workers_month:.2f}")
    return table


def month_figures(month: Month) -> tuple[str, ...]:
    """A month as text: photos, how they arrive, dollars of both ways."""
    return f"{month.photos:,}", month.arriving, f"${month.dollars:,.2f}", f"${month.model_dollars:,.2f}"


def standing_costs(found: Cost) -> str:
    """What the service costs that waits for uploads, in a sentence."""
    return (
        f"The service itself: ${found.ticked_service_month:.2f} a month where Cloud Scheduler ticks each minute, "
        f"${found.always_on_service_month:.2f} with CPU that is always there."
    )
