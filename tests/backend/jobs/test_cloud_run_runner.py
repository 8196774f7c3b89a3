"""The Cloud Run runner alone: rejected calls, lost responses, deleted executions, and what Cloud Run receives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import run_v2

from backend.database import executions
from backend.jobs.cloud_run.api import EXECUTION_NAME, CloudRunApi, outcome_of
from backend.jobs.cloud_run.runner import CloudRunRunner
from backend.jobs.open_runner import open_runner
from backend.jobs.runner import Outcome, Runner, RunnerError
from backend.settings import Settings
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.model import LOST
from emulators.cloud_run.server import running_jobs_server
from tests.conformance.runner import closing
from tests.support.cloud_world import JOB, CloudWorld

pytestmark = pytest.mark.server

NAME = "job-20250101000000-abcdef"
MARK = "(folder / f'ran-{os.environ[\"CLOUD_RUN_EXECUTION\"]}').touch()"


@pytest.fixture(params=["grpc", "http"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CloudWorld]:
    made = CloudWorld(tmp_path, request.param)
    yield made
    made.database.close()


@pytest.fixture
def grpc_world(tmp_path: Path) -> Iterator[CloudWorld]:
    made = CloudWorld(tmp_path)
    yield made
    made.database.close()


def test_start_overrides_contain_the_execution_and_no_secret(grpc_world: CloudWorld) -> None:
    async def act(runner: Runner) -> None:
        await grpc_world.begin(runner, 2)
        await grpc_world.end(runner)
        row = await grpc_world.row()
        assert row.cloud_execution.startswith(f"{JOB}/executions/slideshow-processor-")
        assert row.cloud_operation.startswith("projects/a-project/locations/a-region/operations/")
        (shown,) = await grpc_world.database.read(executions.recent, 5)
        assert shown.cloud_execution == row.cloud_execution

    grpc_world.run("", act)
    (request,) = grpc_world.server.model.requests
    assert request.overrides.task_count == 2
    (container,) = request.overrides.container_overrides
    assert [(variable.name, variable.value) for variable in container.env] == [(EXECUTION_NAME, NAME)]
    resource = grpc_world.server.model.executions[0].resource()
    assert "the-token-of-tasks-of-32-characters" not in str(request) + str(resource)
    assert "BACKEND_AUTH_TOKEN" in str(resource)


def test_runner_transient_errors_are_retried(world: CloudWorld, caplog: pytest.LogCaptureFixture) -> None:
    async def act(runner: Runner) -> Outcome:
        world.expect("RunJob", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
        await world.begin(runner, 1)
        world.expect("GetOperation", "UNAVAILABLE")
        world.expect("GetExecution", "RESOURCE_EXHAUSTED")
        return await world.end(runner)

    assert world.run(MARK, act).state == "succeeded"
    assert len(world.files("ran-*")) == 1
    assert sum("retrying a call" in record.getMessage() for record in caplog.records) == 4


def test_start_lost_response_finds_the_execution(world: CloudWorld) -> None:
    async def act(runner: Runner) -> Outcome:
        world.expect("RunJob", LOST)
        await world.begin(runner, 1)
        return await world.end(runner)

    assert world.run(MARK, act).state == "succeeded"
    assert len(world.files("ran-*")) == 1


def test_start_accepted_twice_gives_separate_leases(grpc_world: CloudWorld) -> None:
    async def act(runner: Runner) -> Outcome:
        grpc_world.expect("RunJob", LOST)
        grpc_world.expect("ListExecutions", "PERMISSION_DENIED")
        await grpc_world.begin(runner, 1)
        return await grpc_world.end(runner)

    assert grpc_world.run(MARK, act).state == "succeeded"
    first, second = grpc_world.server.model.executions
    assert first.short_name != second.short_name, "the name that owns the leases is another"
    assert f"ran-{second.short_name}" in grpc_world.files("ran-*")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("PERMISSION_DENIED", "roles/run.jobsExecutorWithOverrides"),
        ("UNAUTHENTICATED", "rejects the backend's credentials"),
        ("INVALID_ARGUMENT", "rejects the call to start projects/a-project"),
    ],
)
def test_start_permanent_error_is_raised_at_once(grpc_world: CloudWorld, status: str, sentence: str) -> None:
    async def act(runner: Runner) -> None:
        grpc_world.expect("RunJob", status)
        began = time.monotonic()
        with pytest.raises(RunnerError, match=sentence):
            await runner.start(NAME, 1)
        assert time.monotonic() - began < 3

    grpc_world.run(MARK, act)
    assert grpc_world.server.model.executions == []


def test_start_that_stays_unavailable_raises(grpc_world: CloudWorld) -> None:
    grpc_world.retry_seconds = 1.0

    async def act(runner: Runner) -> None:
        grpc_world.expect("RunJob", *["UNAVAILABLE"] * 50)
        began = time.monotonic()
        with pytest.raises(RunnerError, match="failed to start"):
            await runner.start(NAME, 1)
        assert time.monotonic() - began < 5

    grpc_world.run(MARK, act)


def test_start_unknown_job_names_the_settings(grpc_world: CloudWorld) -> None:
    async def act(runner: Runner) -> None:
        api = CloudRunApi("a-project", "a-region", "another-job", grpc_world.server.grpc_url)
        with pytest.raises(RunnerError, match="PROCESSOR_JOB_NAME"):
            api.start(NAME, 1)
        api.close()

    grpc_world.run("", act)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_start_without_server_raises_after_retries(scheme: str) -> None:
    api = CloudRunApi("a-project", "a-region", "a-job", f"{scheme}://127.0.0.1:1", retry_seconds=0.5)
    began = time.monotonic()
    with pytest.raises(RunnerError, match=r"failed to start|did not respond to the request to start"):
        api.start(NAME, 1)
    assert time.monotonic() - began < 5
    api.close()


def test_start_without_credentials_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    world = CloudWorld(tmp_path)

    async def act() -> None:
        settings = Settings(gcp_project_id="a-project")
        async with closing(open_runner(settings, world.database, dict, lambda: None)) as runner:
            assert isinstance(runner, CloudRunRunner)
            with pytest.raises(RunnerError, match=r"no credentials for Cloud Run.*nowhere\.json"):
                await runner.start(NAME, 1)

    asyncio.run(act())
    world.database.close()


def test_outcome_is_read_by_a_restarted_backend(world: CloudWorld) -> None:
    """Also where the first one died between the start and its answer: then the execution is found by our name."""

    async def act(runner: Runner) -> list[str]:
        await world.begin(runner, 1, "recorded")
        await world.begin(runner, 1, "unrecorded")
        forget = "UPDATE executions SET cloud_execution = NULL, cloud_operation = NULL, state = 'starting'"
        await world.database.write(lambda connection: connection.exec_driver_sql(f"{forget} WHERE name = 'unrecorded'"))
        await runner.close()
        async with world.another() as following:
            assert await following.outcome("recorded") is None
            assert await following.outcome("unrecorded") is None
            assert (await world.row("unrecorded")).cloud_execution
            (world.folder / "go").touch()
            return [(await world.end(following, name)).state for name in ("recorded", "unrecorded")]

    assert world.run("while not (folder / 'go').exists(): time.sleep(0.01)", act) == ["succeeded", "succeeded"]


def test_outcome_needs_operation_or_execution_only(grpc_world: CloudWorld) -> None:
    many = ["PERMISSION_DENIED"] * 100

    async def act(runner: Runner) -> None:
        await grpc_world.begin(runner, 1, "by execution")
        grpc_world.expect("GetOperation", *many)
        found = await grpc_world.end(runner, "by execution")
        assert (found.state, found.error) == ("failed", "Task 0 failed: exit code 4")
        grpc_world.server.model.faults.clear()
        await grpc_world.begin(runner, 1, "by operation")
        grpc_world.expect("GetExecution", *many)
        found = await grpc_world.end(runner, "by operation")
        assert (found.state, found.error) == ("failed", "Task 0 failed: exit code 4")
        grpc_world.expect("GetOperation", *many)
        with pytest.raises(RunnerError, match=r"roles/run\.viewer"):
            await runner.outcome("by operation")

    grpc_world.retries = 0
    grpc_world.run("sys.exit(4)", act)


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_emulator_returns_its_job_and_rejects_reserved_variables(transport: str, tmp_path: Path) -> None:
    definition = JobDefinition(command=["true"], environment={"A": "b"}, secrets={"TOKEN": "hidden"})
    with running_jobs_server(JOB, definition) as server:
        api = CloudRunApi(*JOB.split("/")[1::2], server.grpc_url if transport == "grpc" else server.rest_url)
        shown = api._jobs.get_job(name=JOB, timeout=5)
        (container,) = shown.template.template.containers
        assert [variable.name for variable in container.env] == ["A", "TOKEN"]
        assert "hidden" not in str(shown)
        override = run_v2.RunJobRequest.Overrides.ContainerOverride(
            env=[run_v2.EnvVar(name="CLOUD_RUN_EXECUTION", value="mine")]
        )
        request = run_v2.RunJobRequest(name=JOB, overrides={"container_overrides": [override]})
        with pytest.raises(BadRequest, match="set by Cloud Run"):
            api._jobs.run_job(request=request, timeout=5)
        api.close()


@pytest.mark.parametrize("transport", ["grpc", "http"])
@pytest.mark.parametrize(
    ("parallelism", "tasks", "accepted"), [(0, 1, True), (1, 1, True), (10, 10, True), (10, 1, False)]
)
def test_start_with_parallelism_above_the_task_count_is_rejected(
    transport: str, parallelism: int, tasks: int, accepted: bool
) -> None:
    definition = JobDefinition(command=["true"], environment={}, tasks=10, parallelism=parallelism)
    with running_jobs_server(JOB, definition) as server:
        api = CloudRunApi(*JOB.split("/")[1::2], server.grpc_url if transport == "grpc" else server.rest_url)
        try:
            if accepted:
                assert api.start(NAME, tasks).execution
            else:
                with pytest.raises(RunnerError, match="parallelism 10 must be less than or equal to the task count 1"):
                    api.start(NAME, tasks)
            assert len(server.model.executions) == accepted
        finally:
            api.close()


def test_emulated_execution_runs_at_most_parallelism_tasks_at_once(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, time; folder = pathlib.Path(os.environ['FOLDER']); "
        "mine = folder / os.environ['CLOUD_RUN_TASK_INDEX']; mine.touch(); "
        "assert len(list(folder.iterdir())) == 1; time.sleep(0.1); mine.unlink()"
    )
    definition = JobDefinition(
        command=[sys.executable, "-c", script], environment={"FOLDER": str(tmp_path)}, parallelism=1, retries=0
    )
    with running_jobs_server(JOB, definition) as server:
        api = CloudRunApi(*JOB.split("/")[1::2], server.grpc_url)
        api.start(NAME, 3)
        execution = server.model.executions[0]
        deadline = time.monotonic() + 30
        while not execution.done and time.monotonic() < deadline:
            time.sleep(0.02)
        api.close()
    assert (execution.done, execution.failure) == (True, None)
    assert execution.resource().succeeded_count == 3


def test_outcome_of_a_deleted_execution_is_lost(grpc_world: CloudWorld) -> None:
    async def act(runner: Runner) -> Outcome | None:
        await grpc_world.begin(runner, 1)
        grpc_world.expect("GetOperation", "NOT_FOUND")
        grpc_world.expect("GetExecution", "NOT_FOUND")
        return await runner.outcome(NAME)

    found = grpc_world.run("", act)
    assert found is not None
    assert found.state == "lost"


def test_outcome_of_a_cancelled_execution_is_failed() -> None:
    failed = run_v2.Condition(type_="Completed", state="CONDITION_FAILED", message="it was cancelled")
    ended = run_v2.Execution(
        completion_time="2026-01-01T00:00:00Z", task_count=3, cancelled_count=3, conditions=[failed]
    )
    assert outcome_of(ended) == Outcome(state="failed", error="it was cancelled")
    ended.conditions = []
    assert outcome_of(ended) == Outcome(state="failed", error="3 of 3 tasks failed")


def test_google_client_is_not_imported_at_start() -> None:
    found = "any(name.startswith(('google', 'grpc')) for name in sys.modules)"
    code = f"import sys, backend.jobs.open_runner; sys.exit({found})"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
