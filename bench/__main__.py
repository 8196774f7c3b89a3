"""`python -m bench`: list, run, tune, compare, report. A command imports its modules when it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cases import ALL, APART

FILE = click.Path(path_type=Path, dir_okay=False)


def progress(line: str) -> None:
    """Print progress to stderr, so that the output of `--json` can be piped."""
    click.echo(line, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Measure the pipeline and its competitors, with your own photos or generated ones."""


@main.command("list")
def list_() -> None:
    """List the cases and the contenders, and what is not installed."""
    from bench.cases import load_case
    from bench.contenders import CONTENDERS

    click.echo("Cases (those marked * run only when they are named)")
    for name in (*ALL, *APART):
        click.echo(f"  {name + ('*' if name in APART else ''):<12} {load_case(name).SUMMARY}")
    click.echo("Contenders")
    for contender in CONTENDERS:
        missing = contender.missing()
        click.echo(f"  {contender.name:<12} {contender.summary}{f' MISSING: {missing}' if missing else ''}")


@main.command()
@click.argument("cases", nargs=-1, type=click.Choice((*ALL, *APART)), metavar="[CASE...]")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with photos. Default: generated photos.",
)
@click.option(
    "--contender", "contenders", multiple=True, metavar="NAME", help="Measure only this contender. May be repeated."
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Measurements of each photo."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of generated small photos.")
@click.option(
    "--slow-down",
    "slowdown",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Add an artificial slowdown (0.1 = 10 %) to our contender in the case image, to check that `compare` "
    "detects it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole run as one JSON object.")
@click.option("--out", type=FILE, help="File for the run. Default: bench/results, named by date and commit.")
@click.option("--report", "with_report", is_flag=True, help="Also write the HTML page of `report`.")
def run(
    cases: tuple[str, ...],
    samples: Path | None,
    contenders: tuple[str, ...],
    rounds: int,
    seed: int,
    slowdown: float,
    as_json: bool,
    out: Path | None,
    with_report: bool,
) -> None:
    """Run the named cases, or all, and save the results. Exit code 1 if a case failed."""
    import msgspec

    from bench.cases import load_case
    from bench.contenders import CONTENDERS
    from bench.core.results import save
    from bench.core.runner import place_for, run_cases
    from bench.core.samples import NoSamples, from_folder, generated
    from bench.core.summary import lines

    unknown = set(contenders) - {contender.name for contender in CONTENDERS}
    if unknown:
        raise click.UsageError(
            f"there is no contender {', '.join(sorted(unknown))}; use {', '.join(c.name for c in CONTENDERS)}"
        )
    try:
        photos = generated(progress) if samples is None else from_folder(samples, progress)
    except NoSamples as error:
        raise click.UsageError(f"{error}; pass a folder with photos, or omit --samples for generated ones") from error
    result = run_cases(
        tuple(map(load_case, cases or ALL)),
        photos,
        kind="made" if samples is None else "folder",
        rounds=rounds,
        contenders=frozenset(contenders) or None,
        seed=seed,
        slowdown=slowdown,
        report=progress,
    )
    path = out or place_for(result)
    save(result, path)
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    else:
        click.echo("\n".join(lines(result)))
    progress(f"saved: {path}")
    if with_report:
        from bench.report import page_for, write_page

        write_page(result, page_for(path))
        progress(f"report: {page_for(path)}")
    sys.exit(1 if any(case.failed for case in result.cases) else 0)


@main.command()
@click.option("--cpus", type=click.IntRange(1, 64), required=True, help="CPUs of a task.")
@click.option("--memory", type=click.IntRange(128), required=True, metavar="MB", help="Memory of a task in MB.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with photos. Default: generated photos.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Measurements of each setting."
)
def tune(cpus: int, memory: int, samples: Path | None, rounds: int) -> None:
    """Choose the settings of a task for the given CPUs and memory, by measurement."""
    from bench.tune import tune_here

    click.echo("\n".join(tune_here(cpus, memory, samples, rounds, progress)))


@main.command()
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
def compare(before: Path, after: Path) -> None:
    """Compare two saved runs: per case and contender faster, slower or within noise."""
    from bench.core.compare import compare as compared
    from bench.core.compare import not_comparable, sentence
    from bench.core.results import UnreadableRun, load

    try:
        first, second = load(before), load(after)
    except UnreadableRun as error:
        raise click.ClickException(str(error)) from error
    for warning in not_comparable(first, second):
        progress(f"warning: {warning}")
    rows = list(compared(first, second))
    if not rows:
        raise click.ClickException("the two runs have no timed case in common")
    click.echo("\n".join(map(sentence, rows)))


@main.command()
@click.argument("run_file", type=FILE, required=False, metavar="[RUN.json]")
@click.option("--out", type=FILE, help="File for the page. Default: build/bench-report, named like the run.")
@click.option("--picture", type=FILE, metavar="FILE.png", help="Write the chart of the case image instead of the page.")
def report(run_file: Path | None, out: Path | None, picture: Path | None) -> None:
    """Write an HTML page about a saved run, or about the latest one in bench/results."""
    from bench.core.results import UnreadableRun, load
    from bench.core.runner import RESULTS
    from bench.report import newest, page_for, write_page
    from bench.report.picture import NothingToDraw, write_picture

    try:
        chosen = run_file or newest(RESULTS, "image" if picture is not None else "")
        found = load(chosen)
        if picture is not None:
            write_picture(found, picture)
            click.echo(picture)
        if picture is None or out is not None:
            path = out or page_for(chosen)
            write_page(found, path)
            click.echo(path)
    except (UnreadableRun, NothingToDraw) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    main(prog_name="python -m bench")
