"""What the imitated Cloud Run knows and answers, whichever way it is asked; and how it misbehaves when told to."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from typing import IO

from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2
from msgspec import Struct

from emulators.cloud_run.execution import JobDefinition, RunningExecution


class Fault(Struct, frozen=True):
    """What the next call of a method meets instead of an answer.

    `status`: a gRPC code by name, refused before anything is done; or LOST: it is done, and the answer is not sent.
    """

    method: str
    status: str


LOST = "LOST"


class CallRefused(Exception):
    """The call is answered by an error: a gRPC code by name, and a sentence."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class AnswerLost(Exception):
    """The call was done, and the connection breaks before the answer."""


class CloudRunModel:
    """One job and its executions. All methods may be called from several threads."""

    def __init__(
        self, job: str, definition: JobDefinition, *, output: IO[bytes] | None = None, start_seconds: float = 0.0
    ) -> None:
        """`job`: its full name. `output` takes what the tasks print; `start_seconds`: see RunningExecution."""
        self.job = job
        self.definition = definition
        self.requests: list[run_v2.RunJobRequest] = []
        self.faults: deque[Fault] = deque()
        self.missing: set[str] = set()
        """Permissions on the job that whoever asks does not have; told, not enforced."""
        self.executions: list[RunningExecution] = []
        self._output = output
        self._start_seconds = start_seconds
        self._operations: dict[str, RunningExecution] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End all tasks."""
        for execution in list(self.executions):
            execution.close()

    def _meet_fault(self, method: str) -> bool:
        """Raise the fault that is due for this method, if any; whether its answer is to be lost."""
        with self._lock:
            due = next((fault for fault in self.faults if fault.method == method), None)
            if due is None:
                return False
            self.faults.remove(due)
        if due.status == LOST:
            return True
        raise CallRefused(due.status, f"{method} was told to answer {due.status}")

    def run_job(self, request: run_v2.RunJobRequest) -> operations_pb2.Operation:
        """Start the tasks. As in the original, the same request again is another execution."""
        lost = self._meet_fault("RunJob")
        if request.name != self.job:
            raise CallRefused("NOT_FOUND", f"Resource {request.name!r} does not exist")
        overrides = {
            variable.name: variable.value
            for container in request.overrides.container_overrides
            for variable in container.env
        }
        reserved = sorted(name for name in overrides if name.startswith("CLOUD_RUN_") or name == "PORT")
        if reserved:
            raise CallRefused("INVALID_ARGUMENT", f"{reserved[0]} is set by Cloud Run")
        tasks = request.overrides.task_count or self.definition.tasks
        if self.definition.parallelism > tasks:
            # Cloud Run Admin API v2, Execution.parallelism: "Must be <= task_count". Overrides cannot change it.
            raise CallRefused(
                "INVALID_ARGUMENT",
                f"parallelism {self.definition.parallelism} must be less than or equal to the task count {tasks}",
            )
        execution = RunningExecution(
            self.job,
            secrets.token_hex(3),
            self.definition,
            overrides,
            tasks,
            output=self._output,
            start_seconds=self._start_seconds,
        )
        name = f"{self.job.partition('/jobs/')[0]}/operations/{secrets.token_hex(16)}"
        with self._lock:
            self.requests.append(request)
            self.executions.append(execution)
            self._operations[name] = execution
        if lost:
            raise AnswerLost
        return self._shown_operation(name, execution)

    def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """How far the operation is that a start began."""
        self._meet_fault("GetOperation")
        execution = self._operations.get(request.name)
        if execution is None:
            raise CallRefused("NOT_FOUND", f"Operation {request.name!r} does not exist")
        return self._shown_operation(request.name, execution)

    def _shown_operation(self, name: str, execution: RunningExecution) -> operations_pb2.Operation:
        seen = _packed(execution.seen())
        operation = operations_pb2.Operation(name=name, metadata=seen, done=execution.done)
        if execution.done and execution.failure:
            operation.error.code = code_pb2.UNKNOWN
            operation.error.message = execution.failure
        elif execution.done:
            operation.response.CopyFrom(seen)
        return operation

    def get_execution(self, request: run_v2.GetExecutionRequest) -> run_v2.Execution:
        """One execution by its full name."""
        self._meet_fault("GetExecution")
        for execution in self.executions:
            if execution.name == request.name:
                return execution.seen()
        raise CallRefused("NOT_FOUND", f"Resource {request.name!r} does not exist")

    def list_executions(self, request: run_v2.ListExecutionsRequest) -> run_v2.ListExecutionsResponse:
        """The newest executions, newest first; further pages are not served."""
        self._meet_fault("ListExecutions")
        newest = self.executions[::-1][: request.page_size or 100]
        return run_v2.ListExecutionsResponse(executions=[execution.seen() for execution in newest])

    def test_iam_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Those of the permissions asked for that are not in `missing`."""
        self._meet_fault("TestIamPermissions")
        if request.resource != self.job:
            raise CallRefused("NOT_FOUND", f"Resource {request.resource!r} does not exist")
        granted = [permission for permission in request.permissions if permission not in self.missing]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    def get_job(self, request: run_v2.GetJobRequest) -> run_v2.Job:
        """The job as it is deployed."""
        self._meet_fault("GetJob")
        if request.name != self.job:
            raise CallRefused("NOT_FOUND", f"Resource {request.name!r} does not exist")
        container = run_v2.Container(image="local", env=self.definition.shown_environment())
        template = run_v2.TaskTemplate(
            containers=[container],
            max_retries=self.definition.retries,
            timeout=duration_pb2.Duration(seconds=round(self.definition.timeout_seconds)),
        )
        return run_v2.Job(
            name=self.job,
            template=run_v2.ExecutionTemplate(
                template=template, task_count=self.definition.tasks, parallelism=self.definition.parallelism
            ),
            execution_count=len(self.executions),
        )


def _packed(message: run_v2.Execution) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(run_v2.Execution.pb(message))
    return packed
