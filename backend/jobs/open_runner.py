"""Open the runner that the settings select: a Cloud Run job if a project is set, else local subprocesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from backend.database import Database
from backend.jobs.cloud_run.runner import CloudRunRunner
from backend.jobs.local_runner import LocalRunner
from backend.jobs.runner import Runner
from backend.settings import Settings
from contract.machine import usable_cpus

if TYPE_CHECKING:
    from backend.jobs.cloud_run.api import CloudRunApi


def open_runner(
    settings: Settings, database: Database, environment: Callable[[], Mapping[str, str]], ended: Callable[[], None]
) -> Runner:
    """Return the runner.

    Args:
        settings: The settings.
        database: Where the runner stores process ids or Cloud Run's names.
        environment: Returns the environment of local tasks. Cloud Run tasks get theirs from the job.
        ended: Called when a local execution has ended.
    """
    if not settings.gcp_project_id:
        return LocalRunner(
            database,
            environment,
            max_tasks=min(settings.max_tasks, settings.local_tasks or usable_cpus()),
            timeout_seconds=settings.task_timeout_seconds,
            retries=settings.task_retries,
            ended=ended,
        )

    def open_api() -> CloudRunApi:
        from backend.jobs.cloud_run.api import CloudRunApi

        return CloudRunApi(
            settings.gcp_project_id, settings.gcp_region, settings.processor_job_name, settings.cloud_run_endpoint
        )

    return CloudRunRunner(
        database,
        open_api,
        max_tasks=settings.max_tasks,
        timeout_seconds=settings.task_timeout_seconds,
        retries=settings.task_retries,
        prefers_latency=settings.tasks_prefer == "latency",
    )
