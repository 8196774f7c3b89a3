"""`python -m bench`: list, run, compare, report. The modules behind a command are imported when it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cases import ALL, APART

FILE = click.Path(path_type=Path, dir_okay=False)


def say(line: str) -> None:
    """Progress goes to the terminal's error stream, so that `--json` can be piped."""
    click.echo(line, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Measure the pipeline, beside its rivals, over photos of your own or pictures made here."""


@main.command("list")
def list_() -> None:
    """Show the cases and the contenders, and what is not installed."""
    from bench.cases import load_case
    from bench.contenders import CONTENDERS

    click.echo("Cases (run by default unless marked *)")
    for name in (*ALL, *APART):
        click.echo(f"  {name + ('*' if name in APART else ''):<12} {load_case(name).SUMMARY}")
    click.echo("Contenders")
    for contender in CONTENDERS:
        missing = contender.missing()
        click.echo(f"  {contender.name:<12} {contender.summary}{f' MISSING: {missing}' if missing else ''}")


@main.command()
@click.argument("cases", nargs=-1, type=click.Choice((*ALL, *APART)), metavar="[CASE...]")
@click.option("--samples", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder of photos.")
@click.option("--contender", "contenders", multiple=True, metavar="NAME", help="Only these; may be repeated.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--slow-down",
    "planted",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Make ours slower on purpose by this share, such as 0.1, in the case image: does compare notice?",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole run as JSON.")
@click.option("--out", type=FILE, help="Where the run is kept; default: bench/results, by date and commit.")
@click.option("--report", "reported", is_flag=True, help="End with the page that `report` makes of the run.")
def run(
    cases: tuple[str, ...],
    samples: Path | None,
    contenders: tuple[str, ...],
    rounds: int,
    seed: int,
    planted: float,
    as_json: bool,
    out: Path | None,
    reported: bool,
) -> None:
    """Run the cases, or all of them, and keep what they found."""
    import msgspec

    from bench.contenders import CONTENDERS
    from bench.core.results import save
    from bench.core.runner import place_for, run_cases
    from bench.core.samples import NoSamples, from_folder, made
    from bench.core.summary import lines

    unknown = set(contenders) - {contender.name for contender in CONTENDERS}
    if unknown:
        raise click.UsageError(
            f"there is no contender {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in CONTENDERS)}"
        )
    try:
        photos = made(say) if samples is None else from_folder(samples, say)
    except NoSamples as error:
        raise click.UsageError(f"{error}; name a folder with photos, or none for pictures made here") from error
    found = run_cases(
        cases or ALL,
        photos,
        kind="made" if samples is None else "folder",
        rounds=rounds,
        contenders=frozenset(contenders) or None,
        seed=seed,
        planted=planted,
        say=say,
    )
    path = out or place_for(found)
    save(found, path)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo("\n".join(lines(found)))
    say(f"kept in {path}")
    if reported:
        from bench.report import page_for, write_page

        write_page(found, page_for(path))
        say(f"report: {page_for(path)}")
    sys.exit(1 if any(case.failed for case in found.cases) else 0)


@main.command()
@click.option("--cpus", type=click.IntRange(1, 64), required=True, help="CPUs of a task.")
@click.option("--memory", type=click.IntRange(128), required=True, metavar="MB", help="Memory of a task in MB.")
@click.option("--samples", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder of photos.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True)
def tune(cpus: int, memory: int, samples: Path | None, rounds: int) -> None:
    """Choose the settings of a task for so many CPUs and so much memory, by measuring them in turn."""
    from bench.tune import tune_here

    click.echo("\n".join(tune_here(cpus, memory, samples, rounds, say)))


@main.command()
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
def compare(before: Path, after: Path) -> None:
    """Say of two kept runs, per case and contender: faster, slower or within noise."""
    from bench.core.compare import compare as compared
    from bench.core.compare import not_comparable, sentence
    from bench.core.results import UnreadableRun, load

    try:
        first, second = load(before), load(after)
    except UnreadableRun as error:
        raise click.ClickException(str(error)) from error
    for warning in not_comparable(first, second):
        say(f"careful: {warning}")
    found = list(compared(first, second))
    if not found:
        raise click.ClickException("the two runs have no case with times in common")
    click.echo("\n".join(map(sentence, found)))


@main.command()
@click.argument("run_file", type=FILE, required=False, metavar="[RUN.json]")
@click.option("--out", type=FILE, help="Where the page is written; default: build/bench-report, by the run's name.")
@click.option("--picture", type=FILE, metavar="FILE.png", help="Draw the summary of the case image instead of a page.")
def report(run_file: Path | None, out: Path | None, picture: Path | None) -> None:
    """Make one HTML page of a kept run; without a name, of the latest in bench/results."""
    from bench.core.results import UnreadableRun, load
    from bench.core.runner import RESULTS
    from bench.report import newest, page_for, write_page
    from bench.report.picture import NothingToDraw, write_picture

    try:
        chosen = run_file or newest(RESULTS)
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
