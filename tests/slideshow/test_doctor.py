"""`slideshow doctor`: well deployments, and each fault with the command that mends it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.cloud import run_v2
from google.protobuf import duration_pb2

from backend.settings import Settings
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import running_jobs_server
from emulators.cloud_storage.server import GcsServer
from slideshow.__main__ import main
from slideshow.doctor.finding import Finding
from slideshow.doctor.job import NEEDED, of_execution, of_job, of_permissions
from slideshow.doctor.service import of_clock
from tests.support import server

PROJECT = {"GCP_PROJECT_ID": "my-photos-1", "GCP_REGION": "us-central1"}
JOB = "projects/my-photos-1/locations/us-central1/jobs/slideshow-processor"
SECRETS = {"PROCESSOR_AUTH_TOKEN": "token-of-the-doctor", "ADMIN_PASSWORD": "password-of-the-doctor"}
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
def test_a_deployment_that_is_well(tmp_path: Path) -> None:
    """A real backend, an imitated bucket and an imitated Cloud Run; then without permissions and with a wrong token."""
    data = tmp_path / "data"
    with GcsServer("our-photos") as bucket:
        cloud = {**SECRETS, **PROJECT, "GCS_BUCKET_NAME": "our-photos", "STORAGE_EMULATOR_HOST": bucket.url}
        with server.running(data, **SECRETS) as backend:
            told = {"GCS_BUCKET_NAME": "our-photos", "BACKEND_API_URL": backend.url}
            definition = JobDefinition(
                command=["true"], environment=told, secrets={"BACKEND_AUTH_TOKEN": "x"}, timeout_seconds=900, retries=3
            )
            with running_jobs_server(JOB, definition) as jobs:
                environ = {**cloud, "BACKEND_API_URL": backend.url, "CLOUD_RUN_ENDPOINT": jobs.grpc_url}
                well = doctor(environ)
                assert well.exit_code == 0, well.output
                lines = well.output.splitlines()
                assert [line.split()[:2] for line in lines if line[0] != " "][:-1] == [
                    ["ok", "settings"],
                    *[["ok", "bucket"]] * 3,
                    ["ok", "backend"],
                    ["ok", "token"],
                    ["ok", "clock"],
                    *[["ok", "job"]] * 2,
                    ["odd", "execution"],
                ]
                assert lines[-1] == "10 checks: 0 wrong, 1 odd"
                assert SECRETS["PROCESSOR_AUTH_TOKEN"] not in well.output

                jobs.model.missing = {"run.jobs.runWithOverrides"}
                bucket.denied.add("get bucket")
                ill = doctor({**environ, "PROCESSOR_AUTH_TOKEN": "another-token", "DEVICE_AUTH": "open"}, "--json")
                assert ill.exit_code == 1
                found = {entry["sentence"]: entry["mend"] for entry in json.loads(ill.output)["findings"]}
                refused = next(
                    mend for sentence, mend in found.items() if "refuses the processor's token (403)" in sentence
                )
                assert "--update-secrets PROCESSOR_AUTH_TOKEN" in refused
                lacking = next(mend for sentence, mend in found.items() if "run.jobs.runWithOverrides" in sentence)
                assert lacking.endswith("--role roles/run.jobsExecutorWithOverrides")
                assert any("DEVICE_AUTH=open" in sentence for sentence in found)
                rules = next(mend for sentence, mend in found.items() if "the rule of age" in sentence)
                assert rules.endswith("--role projects/my-photos-1/roles/slideshowBucketRules")


def test_settings_are_told_all_at_once() -> None:
    found = doctor(
        {"GCS_BUCKET_NAME": "our-photos", "PROCESSOR_AUTH_TOKEN": "", "ADMIN_PASSWORD": "", "K_SERVICE": "x"}
    )
    assert found.exit_code == 1
    assert "PROCESSOR_AUTH_TOKEN=slideshow-processor-token:latest" in found.output
    assert "ADMIN_PASSWORD=slideshow-admin-password:latest" in found.output
    assert found.output.splitlines()[-1] == "2 checks: 2 wrong, 0 odd"


@pytest.mark.server
def test_a_bucket_that_refuses_and_a_backend_that_is_not_there() -> None:
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


@pytest.mark.server
def test_an_embedded_backend(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server.running(data) as backend:
        found = doctor({}, "--data", str(backend.data))
        assert found.exit_code == 0, found.output
        assert "0 wrong" in found.output
    ended = doctor({}, "--data", str(data))
    assert ended.exit_code == 1
    assert "slideshow serve" in ended.output


def a_job(**changes: Any) -> run_v2.Job:
    told = {"GCS_BUCKET_NAME": "our-photos", "BACKEND_API_URL": "https://backend.example", **changes.pop("told", {})}
    token = changes.pop(
        "token", run_v2.EnvVarSource(secret_key_ref=run_v2.SecretKeySelector(secret="slideshow-processor-token"))
    )
    variables = [run_v2.EnvVar(name=name, value=value) for name, value in told.items() if value]
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
    ("changes", "sentence", "mend"),
    [
        (
            {"told": {"GCS_BUCKET_NAME": "other"}},
            "its bucket is gs://other",
            "--update-env-vars GCS_BUCKET_NAME=our-photos",
        ),
        ({"told": {"BACKEND_API_URL": ""}}, "not set", "--update-env-vars BACKEND_API_URL=https://backend.example"),
        ({"token": None}, "has no BACKEND_AUTH_TOKEN", "--update-secrets BACKEND_AUTH_TOKEN="),
        ({"token": "in-the-open"}, "plain text", "--remove-env-vars BACKEND_AUTH_TOKEN"),
        ({"timeout": duration_pb2.Duration(seconds=600)}, "may take 600 s", "--task-timeout 900s"),
        ({"max_retries": 0}, "tried again 0 times", "--max-retries 3"),
        ({"parallelism": 10}, "rejects each start of fewer than 10 tasks", "--parallelism 0"),
    ],
)
def test_a_job_that_does_not_fit(changes: dict[str, Any], sentence: str, mend: str) -> None:
    (finding,) = of_job(a_job(**changes), CLOUD, "gcloud run jobs update slideshow-processor")
    assert finding.level == "wrong"
    assert sentence in finding.sentence
    assert mend in finding.mend
    assert "in-the-open" not in finding.sentence + finding.mend


def test_a_job_that_fits() -> None:
    assert [finding.level for finding in of_job(a_job(), CLOUD, "")] == ["ok"]


def test_a_job_with_parallelism_1_is_reported_as_slow() -> None:
    slow, fits = of_job(a_job(parallelism=1), CLOUD, "gcloud run jobs update slideshow-processor")
    assert (slow.level, fits.level) == ("odd", "ok")
    assert "one at a time" in slow.sentence
    assert slow.mend == "gcloud run jobs update slideshow-processor --parallelism 0"


def test_each_missing_role_is_named_once() -> None:
    assert [finding.level for finding in of_permissions(list(NEEDED), CLOUD)] == ["ok"]
    roles = [finding.mend.split()[-1] for finding in of_permissions([], CLOUD)]
    assert roles == ["roles/run.jobsExecutorWithOverrides", "roles/run.viewer"]


def an_execution(age: float, **told: Any) -> run_v2.Execution:
    created = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=age)
    if told.pop("ended", False):
        told["completion_time"] = created + timedelta(seconds=60)
    return run_v2.Execution(name=f"{JOB}/executions/slideshow-processor-abc", create_time=created, task_count=2, **told)


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
def test_the_last_execution(execution: run_v2.Execution | None, level: str, words: str) -> None:
    finding = of_execution(execution, NOW, CLOUD)
    assert finding.level == level
    assert words in " ".join(finding.lines())


@pytest.mark.parametrize(("ahead", "level"), [(0.9, "ok"), (-3.0, "ok"), (-12.0, "odd"), (60.0, "wrong")])
def test_the_clock(ahead: float, level: str) -> None:
    finding: Finding = of_clock(ahead)
    assert finding.level == level
