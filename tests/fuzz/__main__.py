"""`make fuzz`: every target for its share of the time; its last lines say what each did, and what was found."""

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
from tests.fuzz.sentences import LONGEST
from tests.fuzz.targets import NAMES, target

INPUT_SECONDS = 10
"""What one input may take, on a machine that has other things to do."""
MEMORY_MIB = 1024
START_SECONDS = 120.0
"""For imports, the good inputs, and an end that is late."""
WORDS = 300
"""Of a finding, in its line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target did. `covered`: branches of instrumented code, as libFuzzer counts; `found`: the kept input."""

    name: str
    executions: int
    seconds: float
    covered: int
    found: Path | None
    reason: str

    def words(self) -> str:
        """One line."""
        did = f"{self.name:14} {self.executions:>9,} executions {self.seconds:6.0f} s {self.covered:>6,} covered"
        if not self.reason:
            return f"{did}  0 findings"
        kept = f", kept in {os.path.relpath(self.found)}" if self.found else ""
        return f"{did}  1 finding: {self.reason}{kept}"


@click.command()
@click.option("--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="For all targets together.")
@click.option("--target", "chosen", type=click.Choice(NAMES), multiple=True, help="This one alone; may be repeated.")
@click.option("--input", "file", type=click.Path(exists=True, path_type=Path), help="Run one kept input, and end.")
def main(seconds: float, chosen: tuple[str, ...], file: Path | None) -> None:
    """Fuzz what parses bytes from outside, guided by coverage. Exit code 1 if anything was found.

    What was learned stays in build/fuzz/, and the next run begins with it; so do kept findings, until they are mended.
    """
    names = chosen or NAMES
    if file is not None:
        for name in names:
            target(name).check(file.read_bytes())
            click.echo(f"{name} takes {file} as it should")
        return
    if importlib.util.find_spec("atheris") is None:
        sys.exit(
            "There is no Atheris for this machine: its wheels are for Linux on x86-64 and CPython 3.11 to 3.13. "
            "The suite runs every target without it: pytest tests/hostile/test_fuzz.py"
        )
    outcomes = []
    for name in names:
        click.echo(f"{name}: {seconds / len(names):.0f} s", err=True)
        outcomes.append(fuzzed(name, max(1, round(seconds / len(names)))))
    for outcome in outcomes:
        click.echo(outcome.words())
    sys.exit(1 if any(outcome.reason for outcome in outcomes) else 0)


def fuzzed(name: str, seconds: int) -> Outcome:
    """Fuzz one target, in a process of its own."""
    folder = BUILD / name
    for part in ("learned", "seeds", "findings"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    began = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fuzz.worker", name),
                *(str(folder / part) for part in ("learned", "seeds", "findings")),
                f"-artifact_prefix={folder / 'findings'}/",
                f"-max_total_time={seconds}",
                f"-timeout={INPUT_SECONDS}",
                f"-rss_limit_mb={MEMORY_MIB}",
                f"-max_len={LONGEST}",
                "-print_final_stats=1",
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            code = process.wait(seconds + START_SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            process.kill()
            process.wait()
    return outcome_of(name, log.read_text(errors="replace"), code, time.monotonic() - began, log)


def outcome_of(name: str, said: str, code: int, seconds: float, log: Path) -> Outcome:
    """What libFuzzer's words and exit code mean."""
    counts = re.findall(r"^#(\d+)\t.* cov: (\d+)", said, re.MULTILINE)
    done = re.findall(r"^(?:stat::number_of_executed_units: |#)(\d+)", said, re.MULTILINE)
    kept = re.findall(r"Test unit written to (\S+)", said)
    reason = "" if code == 0 else _reason(said) or f"it ended with {code}; see {os.path.relpath(log)}"
    return Outcome(
        name=name,
        executions=max(map(int, done), default=0),
        seconds=seconds,
        covered=max((int(covered) for _, covered in counts), default=0),
        found=Path(kept[-1]) if kept else None,
        reason=reason,
    )


def _reason(said: str) -> str:
    """The line that says most of what a finding is: what Python raised, else libFuzzer's own."""
    if " === Uncaught Python exception: ===" in said:
        told = said.partition(" === Uncaught Python exception: ===")[2].strip()
        return told.splitlines()[0][:WORDS]
    own = re.search(r"ERROR: (libFuzzer: .*)", said)
    if own:
        return own[1][:WORDS]
    # A good input, which is tried before libFuzzer begins.
    return said.strip().splitlines()[-1][:WORDS] if "Traceback (most recent call last)" in said else ""


if __name__ == "__main__":
    main()
