"""What things cost on Google Cloud. Pure arithmetic over the list prices, free allowances left out.

Sources: https://cloud.google.com/run/pricing and https://cloud.google.com/scheduler/pricing.
"""

from __future__ import annotations

import math

from msgspec import Struct

REGION = "us-central1"
PRICES_OF = "November 2026"
MONTH_SECONDS = 30 * 86_400

# US dollars for a second of one vCPU and of one GiB: of tasks and of services that always have their CPU ...
CPU_SECOND = 0.000018
GIB_SECOND = 0.000002
# ... and of services that have it while they answer, which pay for requests as well.
CPU_SECOND_ON_REQUEST = 0.000024
GIB_SECOND_ON_REQUEST = 0.0000025
REQUEST = 0.40 / 1e6
SCHEDULER_JOB_MONTH = 0.10

MIN_TASK_SECONDS = 60.0
BILLED_STEP_SECONDS = 0.1


class Size(Struct, frozen=True):
    """What a task or an instance has: vCPUs and memory in GiB."""

    cpus: float
    memory_gib: float

    @property
    def second(self) -> float:
        """US dollars for a second of a task, or of an instance whose CPU is always there."""
        return self.cpus * CPU_SECOND + self.memory_gib * GIB_SECOND


TASK = Size(2.0, 1.0)
MODEL_TASK = Size(2.0, 2.0)
"""A task of the system that this one re-creates."""
MODEL_TASKS = 10
"""As many it starts for each batch, whatever its size."""
SERVICE = Size(1.0, 0.5)
SERVICE_WITH_WORKERS = Size(2.0, 1.5)
"""An instance that renders by itself: a task and the backend in one."""


def billed_seconds(seconds: float) -> float:
    """What a task that took so long is billed for: a minute at least, rounded up to a tenth of a second."""
    return max(MIN_TASK_SECONDS, math.ceil(seconds / BILLED_STEP_SECONDS - 1e-9) * BILLED_STEP_SECONDS)


def always_on_month(size: Size) -> float:
    """US dollars a month for an instance whose CPU is always there."""
    return size.second * MONTH_SECONDS


def ticked_month(size: Size, *, tick_seconds: float = 0.1, every_seconds: float = 60.0) -> float:
    """US dollars a month for Cloud Scheduler and the ticks that it sends to a service without CPU in between.

    `tick_seconds` is the time that a tick takes; one that overlaps other requests costs less than this.
    """
    ticks = MONTH_SECONDS / every_seconds
    second = size.cpus * CPU_SECOND_ON_REQUEST + size.memory_gib * GIB_SECOND_ON_REQUEST
    billed = math.ceil(tick_seconds / BILLED_STEP_SECONDS - 1e-9) * BILLED_STEP_SECONDS
    return SCHEDULER_JOB_MONTH + ticks * (billed * second + REQUEST)
