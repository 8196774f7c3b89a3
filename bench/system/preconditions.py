"""What every case of the whole system begins and ends with."""

from __future__ import annotations

import functools
from collections.abc import Callable

from bench.core.context import Context
from bench.core.results import CaseFailed, CaseResult
from bench.core.samples import NoSamples
from bench.system import processes
from bench.system.rounds import warm_up
from slideshow.errors import CommandFailed

Run = Callable[[Context], CaseResult]


def whole_system(name: str) -> Callable[[Run], Run]:
    """A case's `run` that needs /proc and compiled kernels, and whose failures are sentences (CaseFailed)."""

    def prepared(run: Run) -> Run:
        @functools.wraps(run)
        def running(context: Context) -> CaseResult:
            if not processes.available():
                return CaseResult(case=name, missing=(f"{name}: {processes.NEEDS}",))
            try:
                warm_up()
                return run(context)
            except (CommandFailed, NoSamples) as error:
                raise CaseFailed(str(error)) from error

        return running

    return prepared
