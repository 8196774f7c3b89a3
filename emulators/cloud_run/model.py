"""State and methods of the emulated Cloud Run, independent of the transport, with injected faults."""

from __future__ import annotations

import base64
import contextlib
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

from emulators.cloud_run.execution import JobDefinition, RunningExecution, env_overrides
from emulators.cloud_run.rules import JOB_NAME, check_definition, check_start


class Fault(Struct, frozen=True):
    """Fault of the next call of `method`.

    `status` is the name of a gRPC code, returned before anything is done.
    With LOST the call is done, but its response is not sent.
    """

    method: str
    status: str


LOST = "LOST"
MAX_PAGE = 100


class RpcError(Exception):
    """The call fails with `status`, the name of a gRPC code, and a message."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class ResponseLost(Exception):
    """The call was done, and the connection breaks before the response."""


class CloudRunModel:
    """One job and its executions. All methods may be called from several threads."""

    def __init__(
        self, job: str, definition: JobDefinition, *, output: IO[bytes] | None = None, start_seconds: float = 0.0
    ) -> None:
        """Create the job with the full name `job`; `output` and `start_seconds` as in `RunningExecution`.

        Raises ValueError for a name or a definition that cannot be deployed.
        """
        if not JOB_NAME.fullmatch(job):
            raise ValueError(f"{job!r} is not the full name of a job")
        check_definition(definition)
        self.job = job
        self.definition = definition
        self.requests: list[run_v2.RunJobRequest] = []
        self.faults: deque[Fault] = deque()
        self.missing_permissions: set[str] = set()
        """Permissions on the job that callers do not have; calls that need them fail with PERMISSION_DENIED."""
        self.executions: list[RunningExecution] = []
        self._output = output
        self._start_seconds = start_seconds
        self._operations: dict[str, RunningExecution] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Terminate all tasks."""
        for execution in list(self.executions):
            execution.close()

    def _inject_fault(self, method: str) -> bool:
        """Raise the next fault of this method, if any. Return True if the response must be lost."""
        with self._lock:
            due = next((fault for fault in self.faults if fault.method == method), None)
            if due is None:
                return False
            self.faults.remove(due)
        if due.status == LOST:
            return True
        raise RpcError(due.status, f"injected fault: {method} fails with {due.status}")

    def _require(self, permission: str) -> None:
        if permission in self.missing_permissions:
            raise RpcError("PERMISSION_DENIED", f"Permission '{permission}' denied on resource '{self.job}'")

    def _check_name(self, name: str) -> None:
        if not JOB_NAME.fullmatch(name):
            raise RpcError("INVALID_ARGUMENT", f"{name!r} is not the full name of a job")
        if name != self.job:
            raise RpcError("NOT_FOUND", f"Resource {name!r} does not exist")

    def run_job(self, request: run_v2.RunJobRequest) -> operations_pb2.Operation:
        """Start an execution. As in Cloud Run, a repeated request starts another execution."""
        lost = self._inject_fault("RunJob")
        self._check_name(request.name)
        self._require("run.jobs.runWithOverrides" if "overrides" in request else "run.jobs.run")
        if error := check_start(self.definition, request):
            raise RpcError("INVALID_ARGUMENT", error)
        if request.validate_only:
            return operations_pb2.Operation(name=self._operation_name(), done=True)
        timeout = request.overrides.timeout.total_seconds() if "timeout" in request.overrides else None
        execution = RunningExecution(
            self.job,
            secrets.token_hex(3),
            self.definition,
            env_overrides(request),
            request.overrides.task_count or self.definition.tasks,
            timeout_seconds=timeout,
            output=self._output,
            start_seconds=self._start_seconds,
        )
        name = self._operation_name()
        with self._lock:
            self.requests.append(request)
            self.executions.append(execution)
            self._operations[name] = execution
        if lost:
            raise ResponseLost
        return self._operation_resource(name, execution)

    def _operation_name(self) -> str:
        return f"{self.job.partition('/jobs/')[0]}/operations/{secrets.token_hex(16)}"

    def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """Return the operation of a start."""
        self._inject_fault("GetOperation")
        self._require("run.operations.get")
        execution = self._operations.get(request.name)
        if execution is None:
            raise RpcError("NOT_FOUND", f"Operation {request.name!r} does not exist")
        return self._operation_resource(request.name, execution)

    def _operation_resource(self, name: str, execution: RunningExecution) -> operations_pb2.Operation:
        resource = _packed(execution.resource())
        operation = operations_pb2.Operation(name=name, metadata=resource, done=execution.done)
        if execution.done and execution.failure:
            operation.error.code = code_pb2.UNKNOWN
            operation.error.message = execution.failure
        elif execution.done:
            operation.response.CopyFrom(resource)
        return operation

    def get_execution(self, request: run_v2.GetExecutionRequest) -> run_v2.Execution:
        """Return an execution by its full name."""
        self._inject_fault("GetExecution")
        self._require("run.executions.get")
        for execution in self.executions:
            if execution.name == request.name:
                return execution.resource()
        raise RpcError("NOT_FOUND", f"Resource {request.name!r} does not exist")

    def list_executions(self, request: run_v2.ListExecutionsRequest) -> run_v2.ListExecutionsResponse:
        """Return one page of executions, newest first. The next page needs the same parent and page size."""
        self._inject_fault("ListExecutions")
        self._require("run.executions.list")
        if request.parent != f"{self.job.rpartition('/')[0]}/-":
            self._check_name(request.parent)
        if request.page_size < 0:
            raise RpcError("INVALID_ARGUMENT", f"page_size {request.page_size} is negative")
        size, first = min(request.page_size or MAX_PAGE, MAX_PAGE), 0
        same = f"{request.parent} {request.page_size} "
        if request.page_token:
            with contextlib.suppress(ValueError):  # not a token of this emulator: reported below
                token = base64.urlsafe_b64decode(request.page_token).decode()
                first = int(token.removeprefix(same)) if token.startswith(same) else 0
            if not first:
                raise RpcError("INVALID_ARGUMENT", "page_token is invalid, or belongs to a list with other parameters")
        newest = self.executions[::-1]
        response = run_v2.ListExecutionsResponse(
            executions=[execution.resource() for execution in newest[first : first + size]]
        )
        if len(newest) > first + size:
            response.next_page_token = base64.urlsafe_b64encode(f"{same}{first + size}".encode()).decode()
        return response

    def test_iam_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Return the requested permissions that are not in `missing_permissions`."""
        self._inject_fault("TestIamPermissions")
        if request.resource != self.job:
            raise RpcError("NOT_FOUND", f"Resource {request.resource!r} does not exist")
        granted = [permission for permission in request.permissions if permission not in self.missing_permissions]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    def get_job(self, request: run_v2.GetJobRequest) -> run_v2.Job:
        """Return the deployed job."""
        self._inject_fault("GetJob")
        self._require("run.jobs.get")
        self._check_name(request.name)
        container = run_v2.Container(image="local", env=self.definition.env_vars())
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
