"""The calls to Cloud Run, blocking and with time limits: start a job, find an execution, see how it ended.

Google's client takes 0.4 s to import: only the runner imports this module, and on a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.cloud import run_v2
from google.longrunning import operations_pb2

from backend.jobs.cloud_run.errors import CLIENT_ERRORS, FOLLOW, START, UNCERTAIN, explained, passes
from backend.jobs.runner import Outcome, StartedExecution

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_SECONDS = 10.0
"""The longest silence of one call."""
RETRY_SECONDS = 20.0
"""So long a start is tried again: an upload may be waiting for it."""
SHOWN_EXECUTIONS = 100
EXECUTION_NAME = "SLIDESHOW_EXECUTION"
"""The variable that names an execution as our database does."""


class CloudRunApi:
    """One job of one project. Every method raises RunnerError with a sentence that says what to do."""

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
        """`endpoint`: none for Google's own; `grpc://` or `http://` and a loopback address for a local server."""
        self.job = f"projects/{project}/locations/{region}/jobs/{job}"
        self._call_seconds = call_seconds
        self._retry_seconds = retry_seconds
        self._closing = False
        self._jobs, self._executions = _clients(endpoint)

    def close(self) -> None:
        """Try nothing again from now on, and hang up."""
        self._closing = True
        for client in (self._jobs, self._executions):
            client.transport.close()  # type: ignore[no-untyped-call]

    def start(self, execution: str, tasks: int) -> StartedExecution:
        """Start so many tasks. Where the answer to a start was lost, it is looked for before it is repeated.

        It may still be that two starts were accepted: then both executions work, each on photos that it claims.
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

        def once() -> StartedExecution:
            nonlocal uncertain
            if uncertain and (found := self._found_after_silence(execution)):
                return found
            try:
                operation = self._jobs.run_job(request=request, timeout=self._call_seconds, retry=None)
            except UNCERTAIN:
                uncertain = True
                raise
            metadata = run_v2.Execution.deserialize(operation.operation.metadata.value)
            if metadata.name:
                return StartedExecution(metadata.name, operation.operation.name)
            uncertain = True
            raise api.ServiceUnavailable("the answer does not name the execution")  # type: ignore[no-untyped-call]

        return self._tried(once, START, self._retry_seconds)

    def _found_after_silence(self, execution: str) -> StartedExecution | None:
        try:
            return self._find(execution)
        except CLIENT_ERRORS as error:
            log.warning("[JobQueue] whether %s was started cannot be seen, it is started again: %s", execution, error)
            return None

    def find(self, execution: str) -> StartedExecution | None:
        """The execution that was started under this name of ours, if it is among the latest of the job."""
        return self._tried(lambda: self._find(execution), FOLLOW, self._call_seconds)

    def _find(self, execution: str) -> StartedExecution | None:
        page = self._executions.list_executions(
            request=run_v2.ListExecutionsRequest(parent=self.job, page_size=SHOWN_EXECUTIONS),
            timeout=self._call_seconds,
            retry=None,
        )
        for found in next(iter(page.pages)).executions:
            variables = [variable for container in found.template.containers for variable in container.env]
            if any(variable.name == EXECUTION_NAME and variable.value == execution for variable in variables):
                return StartedExecution(found.name, None)
        return None

    def outcome(self, started: StartedExecution) -> Outcome | None:
        """How the execution ended, or None while it runs.

        The operation says whether it has ended, the execution how; either is enough where the other may not be seen.
        """
        operation = self._operation(started.operation) if started.operation else None
        if operation is not None and not operation.done:
            return None
        try:
            execution = self._tried(lambda: self._execution(started.execution), None, self._call_seconds)
        except api.NotFound:
            return Outcome(state="lost", error="the execution was deleted before its end was seen")
        except CLIENT_ERRORS as error:
            if operation is None or not isinstance(error, api.Forbidden):
                raise explained(error, FOLLOW, self.job) from error
            if operation.HasField("error"):
                return Outcome(state="failed", error=operation.error.message)
            execution = run_v2.Execution.deserialize(operation.response.value)
        return outcome_of(execution)

    def _operation(self, name: str) -> operations_pb2.Operation | None:
        """The operation, or None where it is forgotten or may not be seen."""
        try:
            return self._tried(
                lambda: self._jobs.get_operation(
                    operations_pb2.GetOperationRequest(name=name), timeout=self._call_seconds, retry=None
                ),
                None,
                self._call_seconds,
            )
        except (api.NotFound, api.Forbidden):
            return None
        except CLIENT_ERRORS as error:
            raise explained(error, FOLLOW, self.job) from error

    def _execution(self, name: str) -> run_v2.Execution:
        return self._executions.get_execution(
            request=run_v2.GetExecutionRequest(name=name), timeout=self._call_seconds, retry=None
        )

    def _tried(self, call: Callable[[], T], verb: str | None, seconds: float) -> T:
        """What the call answers, tried again with growing pauses for so many seconds.

        Raises RunnerError; without a verb, what the client raised.
        """

        def worth_another_try(error: BaseException) -> bool:
            return passes(error) and not self._closing

        def tell(error: Exception) -> None:
            log.warning("[JobQueue] Cloud Run (%s) is asked again: %s", self.job, error)

        again = Retry(
            predicate=worth_another_try, initial=0.5, maximum=8.0, multiplier=2.0, timeout=seconds, on_error=tell
        )
        try:
            return again(call)()
        except CLIENT_ERRORS as error:
            cause = error.cause if isinstance(error, api.RetryError) and error.cause else error
            if verb is None:
                raise cause from error
            raise explained(cause, verb, self.job) from error


def outcome_of(execution: run_v2.Execution) -> Outcome | None:
    """How an execution ended by its own account, or None if it has not."""
    if not execution.completion_time:
        return None
    failed = execution.failed_count + execution.cancelled_count
    told = [condition for condition in execution.conditions if condition.type_ == "Completed"]
    well = not failed and all(condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED for condition in told)
    error = None
    if not well:
        error = "; ".join(condition.message for condition in told if condition.message)
        error = error or f"{failed} of {execution.task_count} tasks failed"
    return Outcome(state="succeeded" if well else "failed", retries=execution.retried_count, error=error)


def _clients(endpoint: str) -> tuple[run_v2.JobsClient, run_v2.ExecutionsClient]:
    """Both clients. Only a server on this very machine is spoken to without credentials and encryption."""
    parts = urlsplit(endpoint)
    if parts.scheme in ("grpc", "http"):
        return _local_clients(parts.scheme, parts.netloc)
    options = {"api_endpoint": parts.netloc} if parts.netloc else None
    return run_v2.JobsClient(client_options=options), run_v2.ExecutionsClient(client_options=options)


def _local_clients(scheme: str, address: str) -> tuple[run_v2.JobsClient, run_v2.ExecutionsClient]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.run_v2.services.executions import transports as of_executions
    from google.cloud.run_v2.services.jobs import transports as of_jobs

    if scheme == "grpc":
        import grpc

        channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        return (
            run_v2.JobsClient(transport=of_jobs.JobsGrpcTransport(channel=channel)),
            run_v2.ExecutionsClient(transport=of_executions.ExecutionsGrpcTransport(channel=channel)),
        )
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    how: dict[str, Any] = {"host": address, "url_scheme": "http", "credentials": nobody}
    jobs, executions = of_jobs.JobsRestTransport(**how), of_executions.ExecutionsRestTransport(**how)
    for transport in (jobs, executions):
        transport._session.trust_env = False  # a proxy cannot reach our own host
    return run_v2.JobsClient(transport=jobs), run_v2.ExecutionsClient(transport=executions)
