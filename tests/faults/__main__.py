"""Fault-injection runs: `python -m tests.faults`. The last line counts lost, stuck and duplicated work."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path

import click

from tests.faults.run import Case, Result
from tests.faults.side_by_side import exit_on_sigterm, run_concurrently

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Runs happen in memory where possible: they kill processes, and do not test the durability of the disk."""


@click.command()
@click.option("--seeds", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Number of runs.")
@click.option("--first", type=click.IntRange(0), default=1, show_default=True, help="First seed.")
@click.option("--images", type=click.IntRange(10, 10_000), default=300, show_default=True, help="Photos per run.")
@click.option(
    "--at-once",
    "concurrency",
    type=click.IntRange(1, 16),
    default=max(1, (os.cpu_count() or 1) // 2),
    show_default="half of the cores",
    help="Number of concurrent runs.",
)
@click.option(
    "--database",
    type=click.Choice(["both", "durable", "fleeting"]),
    default="both",
    show_default=True,
    help="Whether the database outlives its backend. A fleeting one is also replaced by second backends, which are "
    "killed. With both, each even seed is fleeting.",
)
@click.option("--keep", is_flag=True, help="Keep the folder of every run, not only of those that fail.")
def main(seeds: int, first: int, images: int, concurrency: int, database: str, keep: bool) -> None:
    """Inject faults into the complete system, and check that no work is lost, stuck or duplicated.

    Tasks and the backend are killed, requests are lost and duplicated, bucket calls fail, and the clock jumps.
    With a fleeting database, second backends acquire the fencing token and are killed as well.
    A seed always gives the same events, faults and photos; their timing depends on the machine.
    """
    exit_on_sigterm()
    cases = [
        Case(seed=seed, images=images, fleeting=database == "fleeting" or (database == "both" and seed % 2 == 0))
        for seed in range(first, first + seeds)
    ]
    results: list[Result] = []
    with closing(run_concurrently(cases, min(concurrency, seeds), Path(IN_MEMORY) if IN_MEMORY else None)) as runs:
        for result, folder in runs:
            results.append(result)
            click.echo(result.line())
            for detail in result.checks.details():
                click.echo(f"  {detail}")
            if keep or not result.checks.passed:
                click.echo(f"  kept in {folder}")
            else:
                shutil.rmtree(folder)
    click.echo(summary(results))
    sys.exit(0 if all(result.checks.passed for result in results) else 1)


def summary(results: list[Result]) -> str:
    """Return two lines over all runs."""
    checks = [result.checks for result in results]
    lost, stuck, twice = (sum(len(getattr(check, field)) for check in checks) for field in ("lost", "stuck", "twice"))
    failed = sum(len(check.failed) + len(check.unexplained) for check in checks)
    differ = sum(len(check.differences) for check in checks)
    return (
        f"{failed} photos failed that should not have, {differ} differences between bucket and database\n"
        f"{len(results)} seeds: {lost} lost, {stuck} stuck, {twice} twice"
    )


if __name__ == "__main__":
    main()
