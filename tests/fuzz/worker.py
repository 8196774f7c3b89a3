"""Fuzz one target, guided by coverage: `python -m tests.fuzz.worker TARGET`, followed by arguments of libFuzzer.

This is a separate process, because libFuzzer never returns and exits at a finding. `__main__.py` starts it and parses
its output.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys

import atheris

from tests.fuzz import BUILD

INSTRUMENTED = ("backend", "contract", "processor", "slideshow", "PIL", "email", "google")
"""Packages whose code counts as coverage. `native` is left out: numba compiles its bytecode, which must not change."""


def main() -> None:
    name = sys.argv.pop(1)
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from tests.fuzz.targets import target

        chosen = target(name)
        seeds = chosen.seeds()
        for data in seeds:  # runs the imports inside functions
            chosen.check(data)
    folder = BUILD / name / "seeds"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for data in seeds:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def run(data: bytes) -> None:
        try:
            chosen.check(data)
        except BaseException:
            # libFuzzer saves the input as well, but not if the process ends before it does.
            finding = BUILD / name / "findings" / f"crash-{hashlib.sha1(data).hexdigest()}"
            finding.write_bytes(data)
            print(f"Test unit written to {finding}", file=sys.stderr, flush=True)  # noqa: T201
            raise

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
