"""`python -m tests.fuzz.worker TARGET`, with the arguments of libFuzzer behind it: one target, guided by coverage.

A process of its own, since libFuzzer never returns and a finding ends it; `__main__.py` starts it and reads its words.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys

import atheris

from tests.fuzz import BUILD

INSTRUMENTED = ("backend", "contract", "processor", "slideshow", "PIL", "email", "google")
"""Not `native`: its kernels are compiled from their bytecode, which must stay as it is."""


def main() -> None:
    name = sys.argv.pop(1)
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from tests.fuzz.targets import target

        chosen = target(name)
        seeds = chosen.seeds()
        for data in seeds:  # whatever is imported by need is imported now
            chosen.check(data)
    folder = BUILD / name / "seeds"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for data in seeds:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def tried(data: bytes) -> None:
        try:
            chosen.check(data)
        except BaseException:
            # libFuzzer keeps it as well, but only if nothing else ends the process while that exits.
            kept = BUILD / name / "findings" / f"crash-{hashlib.sha1(data).hexdigest()}"
            kept.write_bytes(data)
            print(f"Test unit written to {kept}", file=sys.stderr, flush=True)  # noqa: T201
            raise

    atheris.Setup(sys.argv, tried)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
