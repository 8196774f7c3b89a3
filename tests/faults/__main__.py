"""`python -m bench.chaos`: broken runs, some at a time; its last line says what was lost, stuck or done twice."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path

import click

from tests.faults.run import Case, Result
from tests.faults.side_by_side import end_in_order, side_by_side

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""What is killed here are processes; the disk's own promises are those of the operating system."""


@click.command()
@click.option("--seeds", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many runs.")
@click.option("--first", type=click.IntRange(0), default=1, show_default=True, help="The first seed.")
@click.option("--images", type=click.IntRange(10, 10_000), default=300, show_default=True, help="Photos of a run.")
@click.option(
    "--at-once",
    type=click.IntRange(1, 16),
    default=max(1, (os.cpu_count() or 1) // 2),
    show_default="half of the cores",
    help="Runs side by side.",
)
@click.option("--keep", is_flag=True, help="Keep the folder of every run, not only of those that went wrong.")
def main(seeds: int, first: int, images: int, at_once: int, keep: bool) -> None:
    """Kill tasks and the backend, lose and double requests, break the bucket, set the clock; then look what is left.

    A seed draws the same events, faults and photos each time; what they meet is up to the machine.
    """
    end_in_order()
    cases = [Case(seed=seed, images=images) for seed in range(first, first + seeds)]
    results: list[Result] = []
    with closing(side_by_side(cases, min(at_once, seeds), Path(IN_MEMORY) if IN_MEMORY else None)) as runs:
        for result, folder in runs:
            results.append(result)
            click.echo(result.words())
            for detail in result.verdict.details():
                click.echo(f"  {detail}")
            if keep or not result.verdict.good:
                click.echo(f"  kept in {folder}")
            else:
                shutil.rmtree(folder)
    click.echo(summary(results))
    sys.exit(0 if all(result.verdict.good for result in results) else 1)


def summary(results: list[Result]) -> str:
    """Two lines over all runs."""
    verdicts = [result.verdict for result in results]
    lost, stuck, twice = (sum(len(getattr(one, field)) for one in verdicts) for field in ("lost", "stuck", "twice"))
    failed = sum(len(one.failed) + len(one.unexplained) for one in verdicts)
    differ = sum(len(one.differences) for one in verdicts)
    return (
        f"{failed} photos failed that should not have, {differ} differences between bucket and database\n"
        f"{len(results)} seeds: {lost} lost, {stuck} stuck, {twice} twice"
    )


if __name__ == "__main__":
    main()
