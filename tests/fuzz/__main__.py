"""Run every fuzz target for its share of the time: `make fuzz`. The last lines report the result of each target."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import click

from fuzz import BUILD, HOSTILE
from fuzz.sentences import MAX_INPUT_BYTES
from fuzz.targets import NAMES, target

INPUT_SECONDS = 10
"""Time limit of one input, with a reserve for busy machines."""
MEMORY_MIB = 1024
FINDING_LINES = 40
"""Lines at the end of the log that are printed for a finding."""
START_SECONDS = 120.0
"""Additional time for imports, the good inputs and a late end."""


@click.command()
@click.option("--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="For all targets together.")
@click.option("--target", "chosen", type=click.Choice(NAMES), multiple=True, help="Only this target; repeatable.")
@click.option("--input", "file", type=click.Path(exists=True, path_type=Path), help="Run one stored input and end.")
def main(seconds: float, chosen: tuple[str, ...], file: Path | None) -> None:
    """Fuzz every parser of untrusted bytes, guided by coverage. The exit code is 1 if there is a finding.

    build/fuzz/ stores the corpus, with which the next run begins, and the inputs of findings until they are fixed.
    """
    names = chosen or NAMES
    if file is not None:
        for name in names:
            target(name).check(file.read_bytes())
            click.echo(f"{name}: {file} is handled correctly")
        return
    if importlib.util.find_spec("atheris") is None:
        sys.exit(
            "Atheris is not available for this machine: its wheels are for Linux on x86-64 and CPython 3.11 to 3.13. "
            "Run every target without it: pytest tests/hostile/test_fuzz.py"
        )
    codes = {name: fuzz(name, max(1, round(seconds / len(names)))) for name in names}
    for name, code in codes.items():
        log = BUILD / name / "log.txt"
        if code:
            click.echo("\n".join(log.read_text(errors="replace").splitlines()[-FINDING_LINES:]))
        result = f"exit code {code}; findings are in {os.path.relpath(log.parent)}" if code else "no findings"
        click.echo(f"{name:14} {result}")
    sys.exit(1 if any(codes.values()) else 0)


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target in a process of its own, which writes libFuzzer's output to log.txt. Return its exit code."""
    folders = [BUILD / name / part for part in ("learned", "seeds", "findings")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"{name}: {seconds} s", err=True)
    command = [
        *(sys.executable, "-W", "ignore", "-m", "fuzz.worker", name, *map(str, folders)),
        f"-artifact_prefix={folders[-1]}/",
        f"-max_total_time={seconds}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={MAX_INPUT_BYTES}",
        "-print_final_stats=1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(HOSTILE), "MALLOC_ARENA_MAX": "2"}
    limit = seconds + START_SECONDS
    with (BUILD / name / "log.txt").open("wb") as log:
        try:
            return subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=limit, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            log.write(f"the target did not end within {limit:.0f} s and was killed\n".encode())
            return 1


if __name__ == "__main__":
    main()
