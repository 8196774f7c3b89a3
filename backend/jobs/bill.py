"""Prices on Google Cloud. Pure arithmetic over list prices, without free allowances.

Sources: https://cloud.google.com/run/pricing and https://cloud.google.com/scheduler/pricing.
"""

from __future__ import annotations

import math

from msgspec import Struct

REGION = "us-central1"
PRICES_OF = "November 2026"
MONTH_SECONDS = 30 * 86_400

# US dollars per second of one vCPU and of one GiB, for tasks and for services whose CPU is always allocated ...
CPU_SECOND = 0.000018
GIB_SECOND = 0.000002
# ... and for services whose CPU is allocated during requests only. These pay for requests, too.
CPU_SECOND_ON_REQUEST = 0.000024
GIB_SECOND_ON_REQUEST = 0.0000025
REQUEST = 0.40 / 1e6
SCHEDULER_JOB_MONTH = 0.10

MIN_TASK_SECONDS = 60.0
BILLED_STEP_SECONDS = 0.1


class Size(Struct, frozen=True):
    """The vCPUs and the memory in GiB of a task or an instance."""

    cpus: float
    memory_gib: float

    @property
    def second(self) -> float:
        """US dollars per second of a task, or of an instance whose CPU is always allocated."""
        return self.cpus * CPU_SECOND + self.memory_gib * GIB_SECOND


TASK = Size(2.0, 1.0)
LEGACY_TASK = Size(2.0, 2.0)
"""A task of the legacy system."""
LEGACY_TASKS = 10
"""Tasks that the legacy system starts for each batch of any size."""
SERVICE = Size(1.0, 1.0)
SERVICE_WITH_WORKERS = Size(2.0, 2.0)
"""An instance that also renders: a task and the backend in one."""


def billed_seconds(seconds: float) -> float:
    """Return the billed time of a task: at least a minute, rounded up to a tenth of a second."""
    return max(MIN_TASK_SECONDS, _rounded_up(seconds))


def always_on_month(size: Size) -> float:
    """Return US dollars per month for an instance whose CPU is always allocated."""
    return size.second * MONTH_SECONDS


def ticked_month(size: Size, *, tick_seconds: float = 0.1, every_seconds: float = 60.0) -> float:
    """Return US dollars per month for Cloud Scheduler and the requests that it sends to a service.

    Args:
        size: The service, whose CPU is allocated during requests only.
        tick_seconds: Duration of one request. Requests that overlap others cost less than this.
        every_seconds: Interval of the requests.
    """
    ticks = MONTH_SECONDS / every_seconds
    second = size.cpus * CPU_SECOND_ON_REQUEST + size.memory_gib * GIB_SECOND_ON_REQUEST
    return SCHEDULER_JOB_MONTH + ticks * (_rounded_up(tick_seconds) * second + REQUEST)


def _rounded_up(seconds: float) -> float:
    return math.ceil(seconds / BILLED_STEP_SECONDS - 1e-9) * BILLED_STEP_SECONDS
