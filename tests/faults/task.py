"""A task of the processor with a faulty bucket: `python -m tests.faults.task`."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from tests.faults.bucket import FaultyBucket
from tests.faults.fault_plan import from_environment


def main() -> int:
    """Install the faults and run the task. Return its exit code."""
    plan = from_environment()
    role = "/".join(os.environ[f"CLOUD_RUN_{name}"] for name in ("EXECUTION", "TASK_INDEX", "TASK_ATTEMPT"))
    buckets: Any = importlib.import_module("contract.bucket.open")
    opening = buckets.open_bucket
    buckets.open_bucket = lambda url, **more: FaultyBucket(opening(url, **more), plan, plan.random(role))
    program: Any = importlib.import_module("processor.__main__")
    code: int = program.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
