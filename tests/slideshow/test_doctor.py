"""`slideshow doctor`: healthy deployments, and each error with its fix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from google.cloud import run_v2
from google.protobuf import duration_pb2

from backend.database import Database
from backend.settings import Settings
from bench.system.postgres import PostgresServer, running_postgres
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import running_jobs_server
from emulators.cloud_storage.server import GcsServer
from emulators.cloud_tasks.queue import EmulatedQueue
from emulators.cloud_tasks.server import running_queue
from slideshow.__main__ import main
from slideshow.doctor import database, tick_queue
from slideshow.doctor.finding import Finding
from slideshow.doctor.job import NEEDED, configuration, latest_execution, permissions
from slideshow.doctor.service import clock_skew
from tests.support import server

PROJECT = {"GCP_PROJECT_ID": "my-photos-1", "GCP_REGION": "us-central1"}
JOB = "projects/my-photos-1/locations/us-central1/jobs/slideshow-processor"
SECRETS = {"PROCESSOR_AUTH_TOKEN": "token-of-the-doctor-of-32-letters", "ADMIN_PASSWORD": "password-of-the-doctor"}
NOW = 1_800_000_000.0
CLOUD = Settings(
    gcp_project_id="my-photos-1",
    gcs_bucket_name="our-photos",
    backend_api_url="https://backend.example",
    processor_auth_token="a-token",
    admin_password="a-password",
)


def doctor(environ: dict[str, str], *arguments: str) -> Result:
    nothing = dict.fromkeys(("BUCKET_URL", "DATABASE_URL", "GCP_PROJECT_ID", "BACKEND_API_URL"), "")
    return CliRunner().invoke(main, ["doctor", *arguments], env={**nothing, **environ})


@pytest.mark.server
def test_doctor_of_a_deployment_finds_each_error(tmp_path: Path) -> None:
    """A real backend with emulators of Cloud Storage and Cloud Run; then missing permissions and a wrong token."""
    data = tmp_path / "data"
    with GcsServer("our-photos") as bucket:
        cloud = {**SECRETS, **PROJECT, "GCS_BUCKET_NAME": "our-photos", "STORAGE_EMULATOR_HOST": bucket.url}
        with server.running(data, **SECRETS) as backend:
            variables = {"GCS_BUCKET_NAME": "our-photos", "BACKEND_API_URL": backend.url}
            definition = JobDefinition(
                command=["true"],
                environment=variables,
                secrets={"BACKEND_AUTH_TOKEN": "x"},
                timeout_seconds=900,
                retries=3,
            )
            with running_jobs_server(JOB, definition) as jobs:
                environ = {**cloud, "BACKEND_API_URL": backend.url, "CLOUD_RUN_ENDPOINT": jobs.grpc_url}
                well = doctor(environ)
                assert well.exit_code == 0, well.output
                lines = well.output.splitlines()
                assert [line.split()[:2] for line in lines if line[0] != " "][:-1] == [
                    ["ok", "settings"],
                    *[["ok", "bucket"]] * 3,
                    ["ok", "database"],
                    ["ok", "backend"],
                    ["ok", "token"],
                    ["ok", "clock"],
                    *[["ok", "job"]] * 2,
                    ["odd", "execution"],
                ]
                assert lines[-1] == "11 checks: 0 wrong, 1 odd"
                assert SECRETS["PROCESSOR_AUTH_TOKEN"] not in well.output

                jobs.model.missing_permissions = {"run.jobs.runWithOverrides"}
                bucket.denied.add("get bucket")
                ill = doctor(
                    {**environ, "PROCESSOR_AUTH_TOKEN": "another-token-of-32-characters--", "DEVICE_AUTH": "open"},
                    "--json",
                )
                assert ill.exit_code == 1
                entries = json.loads(ill.output)["findings"]
                assert all(entry["mend"] == entry["fix"] for entry in entries)
                fixes = {entry["sentence"]: entry["fix"] for entry in entries}
                token = next(fix for sentence, fix in fixes.items() if "rejects the processor token (403)" in sentence)
                assert "--update-secrets PROCESSOR_AUTH_TOKEN" in token
                role = next(fix for sentence, fix in fixes.items() if "run.jobs.runWithOverrides" in sentence)
                assert role.endswith("--role roles/run.jobsExecutorWithOverrides")
                assert any("DEVICE_AUTH=open" in sentence for sentence in fixes)
                rules = next(fix for sentence, fix in fixes.items() if "the lifecycle rule" in sentence)
                assert rules.endswith("--role projects/my-photos-1/roles/slideshowBucketRules")


def test_doctor_with_missing_secrets_reports_each() -> None:
    found = doctor(
        {"GCS_BUCKET_NAME": "our-photos", "PROCESSOR_AUTH_TOKEN": "", "ADMIN_PASSWORD": "", "K_SERVICE": "x"}
    )
    assert found.exit_code == 1
    assert "PROCESSOR_AUTH_TOKEN=slideshow-processor-token:latest" in found.output
    assert "ADMIN_PASSWORD=slideshow-admin-password:latest" in found.output
    assert found.output.splitlines()[-1] == "2 checks: 2 wrong, 0 odd"


@pytest.mark.server
def test_doctor_without_bucket_and_backend_reports_both() -> None:
    with GcsServer("another") as bucket:
        found = doctor(
            {
                **SECRETS,
                "GCS_BUCKET_NAME": "our-photos",
                "STORAGE_EMULATOR_HOST": bucket.url,
                "BACKEND_API_URL": "http://127.0.0.1:9",
            }
        )
    assert found.exit_code == 1
    assert "there is no bucket gs://our-photos" in found.output
    assert "http://127.0.0.1:9 does not answer" in found.output


QUEUE = "projects/my-photos-1/locations/us-central1/queues/slideshow-ticks"
SCHEDULER = "slideshow-scheduler@my-photos-1.iam.gserviceaccount.com"


@pytest.fixture
def queue() -> Iterator[tuple[EmulatedQueue, Settings]]:
    emulated = EmulatedQueue(QUEUE)
    with running_queue(emulated) as endpoint:
        yield (
            emulated,
            msgspec.structs.replace(
                CLOUD,
                backend_api_url="http://127.0.0.1:9",
                cloud_tasks_queue="slideshow-ticks",
                cloud_tasks_endpoint=endpoint,
                tick_service_account=SCHEDULER,
                tick_audience="https://backend.example",
            ),
        )


@pytest.mark.server
def test_queue_check_adds_one_task(queue: tuple[EmulatedQueue, Settings]) -> None:
    emulated, settings = queue
    (finding,) = tick_queue.examine(settings)
    assert finding.level == "ok"
    assert len(emulated.created) == 1


@pytest.mark.server
@pytest.mark.parametrize(
    ("missing", "fix"),
    [
        (
            "cloudtasks.tasks.create",
            f"{QUEUE.rpartition('/')[2]} --project my-photos-1 --location us-central1 --member",
        ),
        ("iam.serviceAccounts.actAs", f"add-iam-policy-binding {SCHEDULER} --project my-photos-1 --member"),
    ],
)
def test_queue_check_names_the_missing_role(queue: tuple[EmulatedQueue, Settings], missing: str, fix: str) -> None:
    emulated, settings = queue
    emulated.missing.add(missing)
    (finding,) = tick_queue.examine(settings)
    assert finding.level == "wrong"
    assert fix in finding.fix
    assert finding.fix.endswith(("roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser"))


@pytest.mark.server
def test_queue_check_without_a_queue_or_a_server(queue: tuple[EmulatedQueue, Settings]) -> None:
    _, settings = queue
    (absent,) = tick_queue.examine(msgspec.structs.replace(settings, cloud_tasks_queue="other"))
    assert (absent.level, absent.sentence) == ("wrong", "there is no queue other")
    (silent,) = tick_queue.examine(msgspec.structs.replace(settings, cloud_tasks_endpoint="grpc://127.0.0.1:9"))
    assert silent.level == "wrong"
    assert "could not be added" in silent.sentence


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


def levels_and_sentences(url: str, **changes: Any) -> list[tuple[str, str]]:
    settings = msgspec.structs.replace(Settings(database_url=url), **changes)
    return [(found.level, found.sentence) for found in database.examine(settings)]


@pytest.mark.server
def test_database_check_of_a_usable_server(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    found = levels_and_sentences(postgres.url(name))
    assert [level for level, _ in found] == ["ok"] * 3
    major = str(postgres.execute("SHOW server_version")[0][0]).partition(".")[0]
    assert found[0][1].startswith(f"PostgreSQL {major}.")
    assert "room for 7" in found[2][1]  # (60 - 3) / 8
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'doctor%'", name) == [(0,)]
    in_cloud = levels_and_sentences(postgres.url(name), gcp_project_id="my-photos-1")
    assert in_cloud[2][0] == "odd"  # deploy.sh allows 10 instances


@pytest.mark.server
def test_database_check_without_privileges_names_the_grant(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    postgres.execute("CREATE ROLE reader LOGIN")
    url = postgres.url(name).replace("postgres@", "reader@")
    found = levels_and_sentences(url)
    assert found[1] == (
        "wrong",
        "the user reader cannot create and use tables: permission denied for schema public",
    )
    assert [level for level, _ in found] == ["ok", "wrong", "ok"]


@pytest.mark.server
def test_database_check_of_an_unusable_address(postgres: PostgresServer) -> None:
    absent = postgres.url("no_such_database")
    ((level, sentence),) = levels_and_sentences(absent)
    assert level == "wrong"
    assert 'database "no_such_database" does not exist' in sentence
    for url in ("postgresql://127.0.0.1:9/slideshow", "no address", "mysql://127.0.0.1/slideshow"):
        ((level, sentence),) = levels_and_sentences(url)
        assert level == "wrong", url
        assert "cannot be used" in sentence


@pytest.mark.server
def test_database_check_counts_the_connections_of_a_backend(postgres: PostgresServer) -> None:
    """Every query function gets a connection of one of two pools, and no pool grows beyond its size."""
    opened = Database(postgres.url(postgres.new_database()))
    try:
        pools = (opened._reader.pool, opened._writer.pool)
        assert sum(pool.size() for pool in pools) == database.CONNECTIONS_PER_BACKEND  # type: ignore[attr-defined]
    finally:
        opened.close()


@pytest.mark.server
def test_doctor_of_an_embedded_backend_finds_no_error(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server.running(data) as backend:
        found = doctor({}, "--data", str(backend.data))
        assert found.exit_code == 0, found.output
        assert "0 wrong" in found.output
    ended = doctor({}, "--data", str(data))
    assert ended.exit_code == 1
    assert "slideshow serve" in ended.output


def a_job(**changes: Any) -> run_v2.Job:
    plain = {"GCS_BUCKET_NAME": "our-photos", "BACKEND_API_URL": "https://backend.example", **changes.pop("plain", {})}
    token = changes.pop(
        "token", run_v2.EnvVarSource(secret_key_ref=run_v2.SecretKeySelector(secret="slideshow-processor-token"))
    )
    variables = [run_v2.EnvVar(name=name, value=value) for name, value in plain.items() if value]
    if isinstance(token, str):
        variables.append(run_v2.EnvVar(name="BACKEND_AUTH_TOKEN", value=token))
    elif token is not None:
        variables.append(run_v2.EnvVar(name="BACKEND_AUTH_TOKEN", value_source=token))
    parallelism = changes.pop("parallelism", 0)
    task = {"timeout": duration_pb2.Duration(seconds=900), "max_retries": 3, **changes}
    containers = [run_v2.Container(image="x", env=variables)]
    template = run_v2.TaskTemplate(containers=containers, **task)
    return run_v2.Job(template=run_v2.ExecutionTemplate(template=template, task_count=10, parallelism=parallelism))


@pytest.mark.parametrize(
    ("changes", "sentence", "fix"),
    [
        (
            {"plain": {"GCS_BUCKET_NAME": "other"}},
            "its bucket is gs://other",
            "--update-env-vars GCS_BUCKET_NAME=our-photos",
        ),
        ({"plain": {"BACKEND_API_URL": ""}}, "not set", "--update-env-vars BACKEND_API_URL=https://backend.example"),
        ({"token": None}, "has no BACKEND_AUTH_TOKEN", "--update-secrets BACKEND_AUTH_TOKEN="),
        ({"token": "in-the-open"}, "plain text", "--remove-env-vars BACKEND_AUTH_TOKEN"),
        ({"timeout": duration_pb2.Duration(seconds=600)}, "task timeout is 600 s", "--task-timeout 900s"),
        ({"max_retries": 0}, "retried 0 times", "--max-retries 3"),
        ({"parallelism": 10}, "rejects each start of fewer than 10 tasks", "--parallelism 0"),
    ],
)
def test_configuration_of_a_different_job_reports_the_difference(
    changes: dict[str, Any], sentence: str, fix: str
) -> None:
    (finding,) = configuration(a_job(**changes), CLOUD, "gcloud run jobs update slideshow-processor")
    assert finding.level == "wrong"
    assert sentence in finding.sentence
    assert fix in finding.fix
    assert "in-the-open" not in finding.sentence + finding.fix


def test_configuration_of_an_equal_job_is_ok() -> None:
    assert [finding.level for finding in configuration(a_job(), CLOUD, "")] == ["ok"]


def test_configuration_with_parallelism_1_is_odd() -> None:
    slow, fits = configuration(a_job(parallelism=1), CLOUD, "gcloud run jobs update slideshow-processor")
    assert (slow.level, fits.level) == ("odd", "ok")
    assert "one at a time" in slow.sentence
    assert slow.fix == "gcloud run jobs update slideshow-processor --parallelism 0"


def test_permissions_name_each_missing_role_once() -> None:
    assert [finding.level for finding in permissions(list(NEEDED), CLOUD)] == ["ok"]
    roles = [finding.fix.split()[-1] for finding in permissions([], CLOUD)]
    assert roles == ["roles/run.jobsExecutorWithOverrides", "roles/run.viewer"]


def an_execution(age: float, **fields: Any) -> run_v2.Execution:
    created = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=age)
    if fields.pop("ended", False):
        fields["completion_time"] = created + timedelta(seconds=60)
    return run_v2.Execution(
        name=f"{JOB}/executions/slideshow-processor-abc", create_time=created, task_count=2, **fields
    )


@pytest.mark.parametrize(
    ("execution", "level", "words"),
    [
        (None, "odd", "never executed"),
        (an_execution(60), "ok", "is running"),
        (an_execution(7200), "wrong", "executions cancel slideshow-processor-abc"),
        (an_execution(60, ended=True, succeeded_count=2), "ok", "succeeded"),
        (an_execution(60, ended=True, failed_count=1), "wrong", 'execution_name"="slideshow-processor-abc"'),
    ],
    ids=["never", "running", "stuck", "succeeded", "failed"],
)
def test_latest_execution_reports_each_state(execution: run_v2.Execution | None, level: str, words: str) -> None:
    finding = latest_execution(execution, NOW, CLOUD)
    assert finding.level == level
    assert words in " ".join(finding.lines())


@pytest.mark.parametrize(("ahead", "level"), [(0.9, "ok"), (-3.0, "ok"), (-12.0, "odd"), (60.0, "wrong")])
def test_clock_skew_has_two_limits(ahead: float, level: str) -> None:
    finding: Finding = clock_skew(ahead)
    assert finding.level == level
