"""Checks of the Cloud Run job: permissions, configuration, and the latest execution."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from slideshow.doctor.finding import Finding, odd, ok, service_account, wrong

if TYPE_CHECKING:
    from google.cloud import run_v2

    from backend.settings import Settings

NEEDED = {
    "run.jobs.run": "roles/run.jobsExecutorWithOverrides",
    "run.jobs.runWithOverrides": "roles/run.jobsExecutorWithOverrides",
    "run.jobs.get": "roles/run.viewer",
    "run.executions.get": "roles/run.viewer",
    "run.executions.list": "roles/run.viewer",
}
"""The permissions that the backend needs, with the role that contains each."""


def examine(settings: Settings, now: float) -> Iterator[Finding]:
    """Check the job without starting it."""
    from backend.jobs.cloud_run.api import CloudRunApi
    from backend.jobs.cloud_run.errors import CLIENT_ERRORS, FOLLOW, runner_error
    from backend.jobs.runner import RunnerError

    update = _command(settings, "update")
    try:
        api = CloudRunApi(
            settings.gcp_project_id, settings.gcp_region, settings.processor_job_name, settings.cloud_run_endpoint
        )
    except CLIENT_ERRORS as error:
        job = f"projects/{settings.gcp_project_id}/locations/{settings.gcp_region}/jobs/{settings.processor_job_name}"
        yield wrong("job", str(runner_error(error, FOLLOW, job)), "gcloud auth application-default login")
        return
    try:
        yield from permissions(api.permissions(tuple(NEEDED)), settings)
        yield from configuration(api.job_definition(), settings, update)
        yield latest_execution(api.latest(), now, settings)
    except RunnerError as error:
        yield wrong("job", str(error), f"{_command(settings, 'describe')}; deploy/deploy.sh configures it again")
    finally:
        api.close()


def _command(settings: Settings, verb: str) -> str:
    return (
        f"gcloud run jobs {verb} {settings.processor_job_name} --project {settings.gcp_project_id} "
        f"--region {settings.gcp_region}"
    )


def permissions(granted: Sequence[str], settings: Settings) -> Iterator[Finding]:
    """Check that the backend may start the job with overrides, and follow its executions."""
    missing: dict[str, list[str]] = {}
    for permission, role in NEEDED.items():
        if permission not in granted:
            missing.setdefault(role, []).append(permission)
    for role, names in missing.items():
        yield wrong(
            "job",
            f"the backend does not have the permissions {', '.join(names)} on the job",
            f"{_command(settings, 'add-iam-policy-binding')} --member {service_account(settings.gcp_project_id)} "
            f"--role {role}",
        )
    if not missing:
        yield ok("job", "the backend may start the job and follow its executions")


def configuration(job: run_v2.Job, settings: Settings, update: str) -> Iterator[Finding]:
    """Check that the job has the same settings as the backend, and its token as a secret reference.

    Args:
        job: The definition of the job.
        settings: The backend's settings.
        update: The command that changes the job, without its options.
    """
    task = job.template.template
    variables = {variable.name: variable for container in task.containers for variable in container.env}
    plain = {name: variable.value for name, variable in variables.items()}
    errors: list[tuple[str, str]] = []
    bucket = plain.get("BUCKET_URL", "").rstrip("/") or f"gs://{plain.get('GCS_BUCKET_NAME', '')}"
    if bucket != settings.bucket:
        name = settings.bucket.removeprefix("gs://")
        errors.append(
            (
                f"its bucket is {bucket}, but the backend's is {settings.bucket}",
                f"--update-env-vars GCS_BUCKET_NAME={name}",
            )
        )
    url = plain.get("BACKEND_API_URL", "")
    if url.rstrip("/") != settings.backend_api_url.rstrip("/"):
        errors.append(
            (
                f"its BACKEND_API_URL is {url or 'not set'}, but the backend's is {settings.backend_api_url}",
                f"--update-env-vars BACKEND_API_URL={settings.backend_api_url}",
            )
        )
    token = variables.get("BACKEND_AUTH_TOKEN")
    by_reference = "--update-secrets BACKEND_AUTH_TOKEN=slideshow-processor-token:latest"
    if token is None:
        errors.append(("it has no BACKEND_AUTH_TOKEN", by_reference))
    elif not token.value_source.secret_key_ref.secret:
        errors.append(
            (
                "its BACKEND_AUTH_TOKEN is plain text, which anyone who can view the job can read; "
                "replace the token as well",
                f"--remove-env-vars BACKEND_AUTH_TOKEN {by_reference}",
            )
        )
    seconds = task.timeout.total_seconds() if task.timeout else 0.0
    if seconds != settings.task_timeout_seconds:
        errors.append(
            (
                f"its task timeout is {seconds:.0f} s, but the backend expects {settings.task_timeout_seconds:.0f} s",
                f"--task-timeout {settings.task_timeout_seconds:.0f}s",
            )
        )
    if task.max_retries != settings.task_retries:
        errors.append(
            (
                f"its tasks are retried {task.max_retries} times, but the backend expects {settings.task_retries}",
                f"--max-retries {settings.task_retries}",
            )
        )
    parallelism = job.template.parallelism
    if parallelism > 1:
        errors.append(
            (
                f"its parallelism is {parallelism}: Cloud Run rejects each start of fewer than {parallelism} tasks, "
                "so most photos are never rendered; set it to 0 (no limit)",
                "--parallelism 0",
            )
        )
    yield from (wrong("job", sentence, f"{update} {change}") for sentence, change in errors)
    if parallelism == 1:
        sentence = "its parallelism is 1: tasks run one at a time; set it to 0 (no limit)"
        yield odd("job", sentence, f"{update} --parallelism 0")
    if not errors:
        yield ok("job", "bucket, address, timeout and retries equal the backend's; the token is read from a secret")


def latest_execution(execution: run_v2.Execution | None, now: float, settings: Settings) -> Finding:
    """Return the state of the latest execution."""
    from backend.jobs.cloud_run.api import outcome_of

    if execution is None:
        return odd("execution", "the job was never executed: upload a photo", "slideshow upload photo.jpg")
    name = execution.name.rpartition("/")[2]
    started = execution.create_time.timestamp() if execution.create_time else now
    moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime(started))
    outcome = outcome_of(execution)
    limit = (settings.task_retries + 1) * settings.task_timeout_seconds
    if outcome is None and now - started > limit:
        return wrong(
            "execution",
            f"{name} started at {moment} UTC and is still running, after the time limit of its tasks",
            f"gcloud run jobs executions cancel {name} --project {settings.gcp_project_id} "
            f"--region {settings.gcp_region}",
        )
    if outcome is None:
        return ok("execution", f"{name} is running since {moment} UTC")
    if outcome.state == "succeeded":
        return ok("execution", f"{name} of {moment} UTC succeeded, {outcome.retries} tasks retried")
    return wrong(
        "execution",
        f"{name} of {moment} UTC failed: {outcome.error}",
        f'gcloud logging read \'resource.type="cloud_run_job" AND labels."run.googleapis.com/execution_name"'
        f'="{name}" AND severity>=WARNING\' --project {settings.gcp_project_id} --limit 50',
    )
