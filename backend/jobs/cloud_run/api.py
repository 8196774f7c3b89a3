"""Blocking calls to Cloud Run with time limits: start a job, find an execution, read its outcome, inspect the job.

Google's client takes 0.4 s to import. So the running backend imports this module lazily, on a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from backend.jobs.cloud_run.errors import CLIENT_ERRORS, FOLLOW, START, UNCERTAIN, is_transient, runner_error
from backend.jobs.runner import Outcome, StartedExecution

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_SECONDS = 10.0
"""Time limit of one call."""
RETRY_SECONDS = 20.0
"""How long a start is retried. An upload request may be waiting for it."""
LISTED_EXECUTIONS = 100
EXECUTION_NAME = "SLIDESHOW_EXECUTION"
"""The environment variable that contains our name of an execution."""


class CloudRunApi:
    """One job of one project. Every method raises RunnerError with a sentence that contains the remedy."""

    def __init__(
        self,
        project: str,
        region: str,
        job: str,
        endpoint: str = "",
        *,
        call_seconds: float = CALL_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Open the clients.

        Args:
            project: The Google Cloud project.
            region: The region of the job.
            job: The short name of the job.
            endpoint: `grpc://` or `http://` and a loopback address of an emulator. Empty uses Google's endpoint.
            call_seconds: Time limit of one call.
            retry_seconds: How long a start is retried.
        """
        self.job = f"projects/{project}/locations/{region}/jobs/{job}"
        self._call_seconds = call_seconds
        self._retry_seconds = retry_seconds
        self._closing = False
        self._jobs, self._executions = _clients(endpoint)

    def close(self) -> None:
        """Stop all retries, and close the connections."""
        self._closing = True
        for client in (self._jobs, self._executions):
            client.transport.close()  # type: ignore[no-untyped-call]

    def start(self, execution: str, tasks: int) -> StartedExecution:
        """Start an execution. If the response is lost, the execution is searched before the start is repeated.

        In rare cases two starts are accepted. Then both executions work, each on the photos that it claims.
        """
        request = run_v2.RunJobRequest(
            name=self.job,
            overrides=run_v2.RunJobRequest.Overrides(
                task_count=tasks,
                container_overrides=[
                    run_v2.RunJobRequest.Overrides.ContainerOverride(
                        env=[run_v2.EnvVar(name=EXECUTION_NAME, value=execution)]
                    )
                ],
            ),
        )
        uncertain = False

        def start_once() -> StartedExecution:
            nonlocal uncertain
            if uncertain and (started := self._find_or_log(execution)):
                return started
            try:
                operation = self._jobs.run_job(request=request, timeout=self._call_seconds, retry=None)
            except UNCERTAIN:
                uncertain = True
                raise
            metadata = run_v2.Execution.deserialize(operation.operation.metadata.value)
            if metadata.name:
                return StartedExecution(metadata.name, operation.operation.name)
            uncertain = True
            raise api.ServiceUnavailable("the response does not name the execution")  # type: ignore[no-untyped-call]

        return self._retry(start_once, START, self._retry_seconds)

    def _find_or_log(self, execution: str) -> StartedExecution | None:
        try:
            return self._find(execution)
        except CLIENT_ERRORS as error:
            log.warning("[JobQueue] starting %s again, because it is unknown if it was started: %s", execution, error)
            return None

    def find(self, execution: str) -> StartedExecution | None:
        """Return the execution with this name of ours, if it is among the latest of the job."""
        return self._retry(lambda: self._find(execution), FOLLOW, self._call_seconds)

    def _find(self, execution: str) -> StartedExecution | None:
        page = self._executions.list_executions(
            request=run_v2.ListExecutionsRequest(parent=self.job, page_size=LISTED_EXECUTIONS),
            timeout=self._call_seconds,
            retry=None,
        )
        for listed in next(iter(page.pages)).executions:
            variables = [variable for container in listed.template.containers for variable in container.env]
            if any(variable.name == EXECUTION_NAME and variable.value == execution for variable in variables):
                return StartedExecution(listed.name, None)
        return None

    def outcome(self, started: StartedExecution) -> Outcome | None:
        """Return the outcome of the execution, or None while it runs.

        The operation shows whether the execution has ended, and the execution shows how.
        If the permission to read one of the two is missing, the other one is sufficient.
        """
        operation = self._operation(started.operation) if started.operation else None
        if operation is not None and not operation.done:
            return None
        try:
            execution = self._retry(lambda: self._execution(started.execution), None, self._call_seconds)
        except api.NotFound:
            return Outcome(state="lost", error="the execution was deleted before its outcome was read")
        except CLIENT_ERRORS as error:
            if operation is None or not isinstance(error, api.Forbidden):
                raise runner_error(error, FOLLOW, self.job) from error
            if operation.HasField("error"):
                return Outcome(state="failed", error=operation.error.message)
            execution = run_v2.Execution.deserialize(operation.response.value)
        return outcome_of(execution)

    def _operation(self, name: str) -> operations_pb2.Operation | None:
        """Return the operation, or None if it has expired or may not be read."""
        request = operations_pb2.GetOperationRequest(name=name)
        try:
            return self._retry(
                lambda: self._jobs.get_operation(request, timeout=self._call_seconds, retry=None),
                None,
                self._call_seconds,
            )
        except (api.NotFound, api.Forbidden):
            return None
        except CLIENT_ERRORS as error:
            raise runner_error(error, FOLLOW, self.job) from error

    def _execution(self, name: str) -> run_v2.Execution:
        return self._executions.get_execution(
            request=run_v2.GetExecutionRequest(name=name), timeout=self._call_seconds, retry=None
        )

    # What `slideshow doctor` reads; the running backend does not call these.

    def permissions(self, names: Sequence[str]) -> list[str]:
        """Return the permissions, among the named ones, that we have on the job."""
        request = iam_policy_pb2.TestIamPermissionsRequest(resource=self.job, permissions=names)
        return list(self._inspect(self._jobs.test_iam_permissions, request).permissions)

    def job_definition(self) -> run_v2.Job:
        """Return the job as it is deployed."""
        job: run_v2.Job = self._inspect(self._jobs.get_job, run_v2.GetJobRequest(name=self.job))
        return job

    def latest(self) -> run_v2.Execution | None:
        """Return the newest execution of the job, also one that was not started by this backend."""
        request = run_v2.ListExecutionsRequest(parent=self.job, page_size=1)
        return next(iter(self._inspect(self._executions.list_executions, request)), None)

    def _inspect(self, method: Callable[..., Any], request: object) -> Any:
        return self._retry(
            lambda: method(request=request, timeout=self._call_seconds, retry=None), FOLLOW, self._call_seconds
        )

    def _retry(self, call: Callable[[], T], verb: str | None, seconds: float) -> T:
        """Return the result of the call, which is retried with growing pauses for `seconds`.

        Raises:
            RunnerError: The call failed. Without a `verb`, the client's error is raised instead.
        """

        def is_worth_a_retry(error: BaseException) -> bool:
            return is_transient(error) and not self._closing

        def log_retry(error: Exception) -> None:
            log.warning("[JobQueue] retrying a call to Cloud Run (%s): %s", self.job, error)

        retry = Retry(
            predicate=is_worth_a_retry,
            initial=0.5,
            maximum=8.0,
            multiplier=2.0,
            timeout=seconds,
            on_error=log_retry,
        )
        try:
            return retry(call)()
        except CLIENT_ERRORS as error:
            cause = error.cause if isinstance(error, api.RetryError) and error.cause else error
            if verb is None:
                raise cause from error
            raise runner_error(cause, verb, self.job) from error


def outcome_of(execution: run_v2.Execution) -> Outcome | None:
    """Return the outcome that an execution reports, or None if it has not ended."""
    if not execution.completion_time:
        return None
    failed = execution.failed_count + execution.cancelled_count
    completed = [condition for condition in execution.conditions if condition.type_ == "Completed"]
    succeeded = not failed and all(
        condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED for condition in completed
    )
    error = None
    if not succeeded:
        error = "; ".join(condition.message for condition in completed if condition.message)
        error = error or f"{failed} of {execution.task_count} tasks failed"
    return Outcome(state="succeeded" if succeeded else "failed", retries=execution.retried_count, error=error)


def _clients(endpoint: str) -> tuple[run_v2.JobsClient, run_v2.ExecutionsClient]:
    """Return both clients. Only an emulator on a loopback address is called without credentials and encryption."""
    parts = urlsplit(endpoint)
    if parts.scheme in ("grpc", "http"):
        return _emulator_clients(parts.scheme, parts.netloc)
    options = {"api_endpoint": parts.netloc} if parts.netloc else None
    return run_v2.JobsClient(client_options=options), run_v2.ExecutionsClient(client_options=options)


def _emulator_clients(scheme: str, address: str) -> tuple[run_v2.JobsClient, run_v2.ExecutionsClient]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.run_v2.services.executions import transports as executions_transports
    from google.cloud.run_v2.services.jobs import transports as jobs_transports

    if scheme == "grpc":
        import grpc

        channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        return (
            run_v2.JobsClient(transport=jobs_transports.JobsGrpcTransport(channel=channel)),
            run_v2.ExecutionsClient(transport=executions_transports.ExecutionsGrpcTransport(channel=channel)),
        )
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"host": address, "url_scheme": "http", "credentials": anonymous}
    jobs = jobs_transports.JobsRestTransport(**options)
    executions = executions_transports.ExecutionsRestTransport(**options)
    for transport in (jobs, executions):
        transport._session.trust_env = False  # a proxy cannot reach a loopback address
    return run_v2.JobsClient(transport=jobs), run_v2.ExecutionsClient(transport=executions)
