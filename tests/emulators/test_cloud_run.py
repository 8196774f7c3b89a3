"""The emulated Cloud Run enforces each rule of `emulators.invariants`; called by Google's client."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.longrunning import operations_pb2
from google.protobuf import duration_pb2

from emulators.cloud_run.execution import TERM_GRACE_SECONDS, JobDefinition
from emulators.cloud_run.model import CloudRunModel
from emulators.cloud_run.server import JobsServer, running_jobs_server

pytestmark = pytest.mark.server

JOB = "projects/my-photos-1/locations/us-central1/jobs/slideshow-processor"
SHELL = ("/bin/sh", "-c")
END_SECONDS = 20.0


class World:
    """Starts emulated jobs, and calls each by Google's clients without their retries."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.server: JobsServer

    def deploy(self, script: str = "exit 0", **definition: Any) -> World:
        """Run a job whose tasks are a shell script in the test's folder."""
        job = JobDefinition(
            command=[*SHELL, script],
            environment={"PATH": "/usr/bin:/bin", "COLOUR": "red"} | definition.pop("environment", {}),
            folder=str(self.folder),
            **definition,
        )
        self.server = self._stack.enter_context(running_jobs_server(JOB, job))
        address = self.server.grpc_url.removeprefix("grpc://")
        channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._stack.callback(channel.close)
        self.jobs = run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))
        self.executions = run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel))
        return self

    @property
    def model(self) -> CloudRunModel:
        return self.server.model

    def run(self, overrides: Mapping[str, Any] | None = None, name: str = JOB, **fields: Any) -> str:
        """Start an execution; return the name of its operation."""
        request = {"name": name, **fields} | ({"overrides": overrides} if overrides is not None else {})
        started: str = self.jobs.run_job(request=request, retry=None, timeout=10).operation.name
        return started

    def env(self, **variables: str) -> str:
        return self.run({"container_overrides": [{"env": [{"name": k, "value": v} for k, v in variables.items()]}]})

    def operation(self, name: str) -> operations_pb2.Operation:
        request = operations_pb2.GetOperationRequest(name=name)
        return self.jobs.get_operation(request, retry=None, timeout=10)

    def pages(self, **request: Any) -> run_v2.ListExecutionsResponse:
        with contextlib.suppress(StopIteration):
            pager = self.executions.list_executions(request={"parent": JOB, **request}, retry=None, timeout=10)
            return next(pager.pages)
        raise AssertionError("no page")

    def ended(self) -> run_v2.Execution:
        """Wait for the latest execution, and return it."""
        deadline = time.monotonic() + END_SECONDS
        while not self.model.executions[-1].done:
            assert time.monotonic() < deadline, "the execution does not end"
            time.sleep(0.02)
        return self.model.executions[-1].resource()

    def written(self) -> str:
        return "".join(sorted(path.read_text() for path in self.folder.glob("out*")))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(tmp_path, stack)


def rejected(error: type[Exception], *calls: Callable[[World], object], **definition: Any) -> Callable[[World], None]:
    """Return a test: each call fails with this error, and starts nothing."""

    def test(world: World) -> None:
        world.deploy(**definition)
        for call in calls:
            with pytest.raises(error):
                call(world)
        assert not world.model.executions

    return test


def parallelism_unset(world: World) -> None:
    world.deploy("sleep 0.2", parallelism=0).run({"task_count": 3})
    assert world.ended().parallelism == 3


def task_count_override(world: World) -> None:
    world.deploy("echo $CLOUD_RUN_TASK_COUNT > out$CLOUD_RUN_TASK_INDEX", tasks=1).run({"task_count": 3})
    assert world.ended().task_count == 3
    assert world.written().split() == ["3", "3", "3"]


def timeout_override(world: World) -> None:
    world.deploy("sleep 30", retries=0, timeout_seconds=30)
    world.run({"timeout": duration_pb2.Duration(nanos=300_000_000)})
    assert world.ended().failed_count == 1


def environment_override(world: World) -> None:
    world.deploy("echo $COLOUR $SHAPE > out", environment={"SHAPE": "round"}).env(COLOUR="blue")
    world.ended()
    assert world.written() == "blue round\n"


def validate_only(world: World) -> None:
    world.deploy().run(validate_only=True)
    assert not world.model.executions


def start_twice(world: World) -> None:
    world.deploy()
    assert world.run() != world.run()
    assert len({execution.name for execution in world.model.executions}) == 2


def permission_to_run(world: World) -> None:
    world.deploy().model.missing_permissions = {"run.jobs.run"}
    with pytest.raises(exceptions.PermissionDenied):
        world.run()
    world.run({"task_count": 1})
    world.model.missing_permissions = {"run.jobs.runWithOverrides"}
    with pytest.raises(exceptions.PermissionDenied):
        world.run({"task_count": 1})
    world.run()


def permission_to_read(world: World) -> None:
    operation = world.deploy().run()
    execution = world.ended().name
    calls: dict[str, Callable[[], object]] = {
        "run.jobs.get": lambda: world.jobs.get_job(name=JOB, retry=None, timeout=10),
        "run.operations.get": lambda: world.operation(operation),
        "run.executions.get": lambda: world.executions.get_execution(name=execution, retry=None, timeout=10),
        "run.executions.list": world.pages,
    }
    for permission, call in calls.items():
        world.model.missing_permissions = set()
        call()
        world.model.missing_permissions = {permission}
        with pytest.raises(exceptions.PermissionDenied):
            call()


def task_variables(world: World) -> None:
    names = ["JOB", "EXECUTION", "TASK_INDEX", "TASK_COUNT", "TASK_ATTEMPT"]
    script = "echo " + " ".join(f"$CLOUD_RUN_{name}" for name in names) + " > out"
    world.deploy(script).run()
    execution = world.ended().name.rpartition("/")[2]
    assert world.written() == f"slideshow-processor {execution} 0 1 0\n"


def retries(world: World) -> None:
    world.deploy("echo x > out$CLOUD_RUN_TASK_ATTEMPT; exit 1", retries=2).run()
    execution = world.ended()
    assert (execution.failed_count, execution.retried_count) == (1, 1)
    assert world.written() == "x\n" * 3


def retries_limit(world: World) -> None:
    for retries in (-1, 11):
        with pytest.raises(ValueError, match="retries"):
            world.deploy(retries=retries)


def timeout_per_attempt(world: World) -> None:
    world.deploy("[ $CLOUD_RUN_TASK_ATTEMPT = 1 ] || sleep 30; sleep 0.3; echo x > out", retries=1, timeout_seconds=0.5)
    world.run()
    assert world.ended().succeeded_count == 1
    assert world.written() == "x\n"


def termination(world: World) -> None:
    assert TERM_GRACE_SECONDS == 10
    script = "trap 'echo term > out; sleep 30' TERM; sleep 30 & wait"
    world.deploy(script, retries=0, timeout_seconds=0.3, term_grace_seconds=0.5).run()
    began = time.monotonic()
    assert world.ended().failed_count == 1
    assert time.monotonic() - began < 10, "SIGKILL ends a task that does not end at SIGTERM"
    assert world.written() == "term\n"


def secrets(world: World) -> None:
    world.deploy("echo $TOKEN > out", secrets={"TOKEN": "a-secret-value"}).run()
    shown = f"{world.ended()}{world.jobs.get_job(name=JOB, retry=None, timeout=10)}"
    assert world.written() == "a-secret-value\n"
    assert "TOKEN" in shown
    assert "a-secret-value" not in shown


def page_token(world: World) -> None:
    world.deploy()
    for _ in range(3):
        world.run()
    first = world.pages(page_size=2)
    second = world.pages(page_size=2, page_token=first.next_page_token)
    assert not second.next_page_token
    names = [execution.name for page in (first, second) for execution in page.executions]
    assert names == [execution.name for execution in world.model.executions[::-1]]
    for request in ({"page_size": 1}, {"page_size": 2, "parent": f"{JOB.rpartition('/')[0]}/-"}):
        with pytest.raises(exceptions.InvalidArgument):
            world.pages(page_token=first.next_page_token, **request)


def page_size(world: World) -> None:
    world.deploy()
    for _ in range(3):
        world.run()
    assert len(world.pages(page_size=2).executions) == 2
    with pytest.raises(exceptions.InvalidArgument):
        world.pages(page_size=-1)


def list_parent(world: World) -> None:
    world.deploy().run()
    assert len(world.pages(parent=f"{JOB.rpartition('/')[0]}/-").executions) == 1
    with pytest.raises(exceptions.NotFound):
        world.pages(parent=f"{JOB}-other")
    with pytest.raises(exceptions.InvalidArgument):
        world.pages(parent="slideshow-processor")


def operation_name(world: World) -> None:
    name = world.deploy().run()
    assert name.startswith(f"{JOB.partition('/jobs/')[0]}/operations/")
    with pytest.raises(exceptions.NotFound):
        world.operation(f"{name}x")


def operation_under_way(world: World) -> None:
    operation = world.operation(world.deploy("sleep 30").run())
    assert not operation.done
    assert operation.WhichOneof("result") is None
    assert operation.metadata.Is(run_v2.Execution.pb(run_v2.Execution()).DESCRIPTOR)


def operation_done(world: World) -> None:
    for script, result in (("exit 0", "response"), ("exit 1", "error")):
        name = world.deploy(script, retries=0).run()
        world.ended()
        operation = world.operation(name)
        assert operation.done
        assert operation.WhichOneof("result") == result


RULES: dict[str, Callable[[World], None]] = {
    "job name": rejected(exceptions.InvalidArgument, lambda world: world.run(name="slideshow-processor")),
    "parallelism": rejected(
        exceptions.InvalidArgument, lambda world: world.run({"task_count": 9}), parallelism=10, tasks=10
    ),
    "parallelism unset": parallelism_unset,
    "task count override": task_count_override,
    "task count limit": rejected(
        exceptions.InvalidArgument,
        lambda world: world.run({"task_count": 10_001}),
        lambda world: world.run({"task_count": -1}),
    ),
    "timeout override": timeout_override,
    "timeout limit": rejected(
        exceptions.InvalidArgument,
        lambda world: world.run({"timeout": duration_pb2.Duration(seconds=7 * 24 * 3600 + 1)}),
        lambda world: world.run({"timeout": duration_pb2.Duration(seconds=0)}),
    ),
    "environment override": environment_override,
    "reserved variables": rejected(
        exceptions.InvalidArgument,
        lambda world: world.env(CLOUD_RUN_TASK_INDEX="1"),
        lambda world: world.env(PORT="1"),
    ),
    "variable name": rejected(exceptions.InvalidArgument, lambda world: world.env(**{"x" * 32_769: ""})),
    "variable value": rejected(exceptions.InvalidArgument, lambda world: world.env(X="ä" * 16_385)),
    "container name": rejected(
        exceptions.InvalidArgument, lambda world: world.run({"container_overrides": [{"name": "My_Container"}]})
    ),
    "validate only": validate_only,
    "start twice": start_twice,
    "permission to run": permission_to_run,
    "permission to read": permission_to_read,
    "task variables": task_variables,
    "retries": retries,
    "retries limit": retries_limit,
    "timeout per attempt": timeout_per_attempt,
    "termination": termination,
    "secrets": secrets,
    "page token": page_token,
    "page size": page_size,
    "list parent": list_parent,
    "operation name": operation_name,
    "operation under way": operation_under_way,
    "operation done": operation_done,
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(world: World, rule: str) -> None:
    RULES[rule](world)
