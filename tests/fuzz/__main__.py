"""`make fuzz`: run every target for its share of the time, and print executions and findings of each."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from tests.fuzz import BUILD, ROOT
from tests.fuzz.sentences import MAX_INPUT_BYTES
from tests.fuzz.targets import NAMES, target

INPUT_SECONDS = 10
"""Time limit of one input, on a busy machine."""
MEMORY_MIB = 1024
START_SECONDS = 120.0
"""Additional time limit of a target, for imports, valid inputs, and a late exit."""
MAX_REASON_CHARACTERS = 300
"""Length limit of a finding in its line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a target. `covered` counts branches of instrumented code; `input` is the saved finding."""

    name: str
    executions: int
    seconds: float
    covered: int
    input: Path | None
    reason: str

    def line(self) -> str:
        """Return the result as one line of text."""
        counts = f"{self.name:14} {self.executions:>9,} executions {self.seconds:6.0f} s {self.covered:>6,} covered"
        if not self.reason:
            return f"{counts}  0 findings"
        saved = f", saved in {os.path.relpath(self.input)}" if self.input else ""
        return f"{counts}  1 finding: {self.reason}{saved}"


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="Time for all targets together."
)
@click.option(
    "--target", "chosen", type=click.Choice(NAMES), multiple=True, help="Run only this target; may be repeated."
)
@click.option("--input", "file", type=click.Path(exists=True, path_type=Path), help="Run one saved input, then exit.")
def main(seconds: float, chosen: tuple[str, ...], file: Path | None) -> None:
    """Fuzz the parsers of untrusted input, guided by coverage. Exits with 1 if there are findings.

    Interesting inputs and findings are saved in build/fuzz/, and the next run starts from them.
    """
    names = chosen or NAMES
    if file is not None:
        for name in names:
            target(name).check(file.read_bytes())
            click.echo(f"{name}: {file} passes")
        return
    if importlib.util.find_spec("atheris") is None:
        sys.exit(
            "Atheris is not installed. It has wheels for Linux on x86-64 with CPython 3.11 to 3.13 only. "
            "The test suite runs every target without it: pytest tests/hostile/test_fuzz.py"
        )
    outcomes = []
    for name in names:
        click.echo(f"{name}: {seconds / len(names):.0f} s", err=True)
        outcomes.append(fuzz(name, max(1, round(seconds / len(names)))))
    for outcome in outcomes:
        click.echo(outcome.line())
    sys.exit(1 if any(outcome.reason for outcome in outcomes) else 0)


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz one target in a separate process."""
    folder = BUILD / name
    for part in ("learned", "seeds", "findings"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fuzz.worker", name),
                *(str(folder / part) for part in ("learned", "seeds", "findings")),
                f"-artifact_prefix={folder / 'findings'}/",
                f"-max_total_time={seconds}",
                f"-timeout={INPUT_SECONDS}",
                f"-rss_limit_mb={MEMORY_MIB}",
                f"-max_len={MAX_INPUT_BYTES}",
                "-print_final_stats=1",
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            code = process.wait(seconds + START_SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            process.kill()
            process.wait()
    return outcome_of(name, log.read_text(errors="replace"), code, time.monotonic() - began, log)


def outcome_of(name: str, output: str, code: int, seconds: float, log: Path) -> Outcome:
    """Return the result that libFuzzer's output and exit code describe."""
    counts = re.findall(r"^#(\d+)\t.* cov: (\d+)", output, re.MULTILINE)
    executions = re.findall(r"^(?:stat::number_of_executed_units: |#)(\d+)", output, re.MULTILINE)
    saved = re.findall(r"Test unit written to (\S+)", output)
    reason = "" if code == 0 else _reason(output) or f"exit code {code}; see {os.path.relpath(log)}"
    return Outcome(
        name=name,
        executions=max(map(int, executions), default=0),
        seconds=seconds,
        covered=max((int(covered) for _, covered in counts), default=0),
        input=Path(saved[-1]) if saved else None,
        reason=reason,
    )


def _reason(output: str) -> str:
    """Return the line that describes a finding best: the Python exception, else libFuzzer's error."""
    if " === Uncaught Python exception: ===" in output:
        exception = output.partition(" === Uncaught Python exception: ===")[2].strip()
        return exception.splitlines()[0][:MAX_REASON_CHARACTERS]
    error = re.search(r"ERROR: (libFuzzer: .*)", output)
    if error:
        return error[1][:MAX_REASON_CHARACTERS]
    # A valid input failed, before libFuzzer started.
    failed = "Traceback (most recent call last)" in output
    return output.strip().splitlines()[-1][:MAX_REASON_CHARACTERS] if failed else ""


if __name__ == "__main__":
    main()
