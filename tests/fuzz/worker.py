"""Fuzz one target, guided by coverage: `python -m fuzz.worker TARGET`, followed by arguments of libFuzzer.

`__main__.py` runs it as a separate process, because libFuzzer never returns and a finding ends the process.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys

import atheris

from tests.fuzz import BUILD

INSTRUMENTED = ("backend", "contract", "processor", "slideshow", "PIL", "email", "google")
"""Without `native`: its kernels are compiled from their bytecode, which must not change."""


def main() -> None:
    name = sys.argv.pop(1)
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from tests.fuzz.targets import target

        chosen = target(name)
        seeds = chosen.seeds()
        for data in seeds:  # triggers deferred imports, so that they are instrumented
            chosen.check(data)
    folder = BUILD / name / "seeds"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for data in seeds:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def check(data: bytes) -> None:
        try:
            chosen.check(data)
        except BaseException:
            # libFuzzer stores it as well, but not if an exit handler ends the process first.
            finding = BUILD / name / "findings" / f"crash-{hashlib.sha1(data).hexdigest()}"
            finding.write_bytes(data)
            print(f"Test unit written to {finding}", file=sys.stderr, flush=True)  # noqa: T201
            raise

    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
