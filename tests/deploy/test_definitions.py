"""Deployed definitions, validated by tools and types: builds, job, service, roles, metrics and alerts."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.cloud import run_v2
from google.protobuf import duration_pb2
from ruamel.yaml import YAML

from backend.jobs import bill
from backend.jobs.cloud_run.api import CloudRunApi
from backend.settings import Settings, read_settings
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import running_jobs_server
from processor.settings import from_environment

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
LEGACY_SUBSTITUTIONS = {"_GCS_BUCKET_NAME", "_BACKEND_API_URL", "_BACKEND_AUTH_SECRET", "_SERVICE_ACCOUNT"}
PROJECT = {"PROJECT_ID": "my-photos-1"}
REQUESTED = {"_GCS_BUCKET_NAME": "our-photos", "_BACKEND_API_URL": "https://backend.example", "_TAG": "v1"}


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def filled(build: dict[str, Any]) -> dict[str, str]:
    """Return the substitutions with the values of deploy.sh, and with references resolved as Cloud Build does."""
    values = {**build["substitutions"], **REQUESTED, **PROJECT}
    for _ in range(3):
        values = {name: put_in(str(value), values) for name, value in values.items()}
    return values


def put_in(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def flags_of(build: str, step: str) -> tuple[list[str], dict[str, str]]:
    """Return the words and the flags of a step that runs gcloud."""
    definition = load(DEPLOY / f"cloudbuild.{build}.yaml")
    values = filled(definition)
    (selected,) = [entry for entry in definition["steps"] if entry["id"] == step]
    words = [put_in(word, values) for word in selected["args"]]
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
    return [word for word in words if not word.startswith("--")], flags


def pairs(text: str) -> Iterator[tuple[str, str]]:
    for entry in filter(None, text.split(",")):
        name, _, value = entry.partition("=")
        yield name, value


def container_of(flags: dict[str, str]) -> run_v2.Container:
    """Return the container that the flags describe, and remove the used flags."""
    variables = [run_v2.EnvVar(name=name, value=value) for name, value in pairs(flags.pop("update-env-vars"))]
    for name, reference in pairs(flags.pop("update-secrets")):
        secret, _, version = reference.partition(":")
        source = run_v2.EnvVarSource(secret_key_ref=run_v2.SecretKeySelector(secret=secret, version=version))
        variables.append(run_v2.EnvVar(name=name, value_source=source))
    limits = {"cpu": flags.pop("cpu"), "memory": flags.pop("memory")}
    container = run_v2.Container(
        image=flags.pop("flags-file"), env=variables, resources=run_v2.ResourceRequirements(limits=limits)
    )
    if "command" in flags:
        container.command, container.args = [flags.pop("command")], flags.pop("args").split(",")
    return container


def seconds(text: str) -> duration_pb2.Duration:
    number, unit = re.fullmatch(r"(\d+)([sm]?)", text).groups()  # type: ignore[union-attr]
    return duration_pb2.Duration(seconds=int(number) * (60 if unit == "m" else 1))


def job_of(flags: dict[str, str]) -> run_v2.Job:
    """Return the job that the flags describe. Raises for an invalid value, and fails for an unknown flag."""
    task = run_v2.TaskTemplate(
        containers=[container_of(flags)],
        max_retries=int(flags.pop("max-retries")),
        timeout=seconds(flags.pop("task-timeout")),
        service_account=flags.pop("service-account"),
    )
    template = run_v2.ExecutionTemplate(template=task, task_count=int(flags.pop("tasks")))
    if "parallelism" in flags:
        template.parallelism = int(flags.pop("parallelism"))
    flags.pop("set-cloudsql-instances", None)
    for location in ("project", "region", "quiet"):
        flags.pop(location)
    assert flags == {}, "unknown flag"
    return run_v2.Job(template=template)


def probe_of(text: str) -> run_v2.Probe:
    values = dict(pairs(text))
    probe = run_v2.Probe(
        http_get=run_v2.HTTPGetAction(path=values.pop("httpGet.path"), port=int(values.pop("httpGet.port"))),
        period_seconds=int(values.pop("periodSeconds")),
        timeout_seconds=int(values.pop("timeoutSeconds")),
        failure_threshold=int(values.pop("failureThreshold")),
    )
    assert values == {}
    return probe


def service_of(flags: dict[str, str]) -> run_v2.Service:
    container = container_of(flags)
    container.ports = [run_v2.ContainerPort(container_port=int(flags.pop("port")))]
    container.resources.cpu_idle = flags.pop("cpu-throttling") == ""
    container.resources.startup_cpu_boost = flags.pop("cpu-boost") == ""
    container.startup_probe = probe_of(flags.pop("startup-probe"))
    container.liveness_probe = probe_of(flags.pop("liveness-probe"))
    scaling = run_v2.RevisionScaling(
        min_instance_count=int(flags.pop("min-instances")), max_instance_count=int(flags.pop("max-instances"))
    )
    template = run_v2.RevisionTemplate(
        containers=[container],
        scaling=scaling,
        service_account=flags.pop("service-account"),
        timeout=seconds(flags.pop("timeout")),
        max_instance_request_concurrency=int(flags.pop("concurrency")),
    )
    ingress = run_v2.IngressTraffic[f"INGRESS_TRAFFIC_{flags.pop('ingress').upper()}"]
    for location in ("project", "region", "quiet", "remove-env-vars", "set-cloudsql-instances"):
        flags.pop(location)
    assert flags == {}, "unknown flag"
    return run_v2.Service(template=template, ingress=ingress)


def environment(container: run_v2.Container) -> dict[str, str]:
    """Return the variables of a container, with values for those that are secrets."""
    secrets = {variable.name for variable in container.env if variable.value_source}
    secret = "a-secret-of-the-deployment-that-is-long-enough"
    return {variable.name: secret if variable.name in secrets else variable.value for variable in container.env}


@pytest.mark.server
def test_the_builds_fit_their_published_schema() -> None:
    files = sorted(str(path) for path in DEPLOY.glob("cloudbuild.*.yaml"))
    assert len(files) == 2
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.cloudbuild", *files]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("build", ["processor", "backend"])
def test_build_substitutions_are_passed_and_used(build: str) -> None:
    text = (DEPLOY / f"cloudbuild.{build}.yaml").read_text()
    definition = load(DEPLOY / f"cloudbuild.{build}.yaml")
    assert set(definition["substitutions"]) >= LEGACY_SUBSTITUTIONS
    used = set(re.findall(r"\$\{(_\w+)\}", text))
    assert used == set(definition["substitutions"])  # Cloud Build rejects an unused one
    script = (DEPLOY / "deploy.sh").read_text()
    passed = set(re.findall(r"(_[A-Z_]+)=", script.partition(f"build {build} ")[2].partition("\n  say ")[0]))
    assert passed
    assert passed | {"_REGION", "_REPOSITORY", "_TAG", "_BASE"} <= set(definition["substitutions"])
    assert definition["images"], "Cloud Build records the digest and the provenance of these images"
    files = [step["args"][step["args"].index("--file") + 1] for step in definition["steps"] if "--file" in step["args"]]
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_deployed_job_matches_the_settings_of_the_backend() -> None:
    words, flags = flags_of("processor", "deploy")
    job = job_of(flags)
    task = job.template.template
    (container,) = task.containers
    assert words == ["run", "jobs", "deploy", "slideshow-processor"]
    assert job.template.task_count == Settings().max_tasks == 10
    assert task.max_retries == Settings().task_retries == 3
    assert task.timeout.total_seconds() == Settings().task_timeout_seconds == 900
    assert dict(container.resources.limits) == {"cpu": "2", "memory": "1Gi"}
    assert task.service_account == "slideshow-processor@my-photos-1.iam.gserviceaccount.com"
    (token,) = [variable for variable in container.env if variable.name == "BACKEND_AUTH_TOKEN"]
    assert not token.value
    assert token.value_source.secret_key_ref.secret == "slideshow-processor-token"
    read = from_environment(environment(container))
    assert (read.bucket_url, read.backend_url, read.timeout_seconds) == (
        "gs://our-photos",
        "https://backend.example",
        900,
    )
    run_v2.Job.deserialize(run_v2.Job.serialize(job))


@pytest.mark.server
def test_deployed_job_accepts_a_start_of_one_task() -> None:
    """Cloud Run rejects a parallelism above the task count, and most starts have one task."""
    _, flags = flags_of("processor", "deploy")
    template = job_of(flags).template
    assert template.parallelism == 0
    definition = JobDefinition(
        command=["true"], environment={}, tasks=template.task_count, parallelism=template.parallelism
    )
    name = "projects/my-photos-1/locations/us-central1/jobs/slideshow-processor"
    with running_jobs_server(name, definition) as server:
        api = CloudRunApi("my-photos-1", "us-central1", "slideshow-processor", server.grpc_url)
        try:
            assert api.start("job-1", 1).execution.startswith(name)
        finally:
            api.close()


@pytest.mark.parametrize(("build", "steps"), [("processor", ["deploy"]), ("backend", ["deploy", "deploy-doctor"])])
def test_deploy_steps_use_the_digest_that_a_build_step_saves(build: str, steps: list[str]) -> None:
    definition = load(DEPLOY / f"cloudbuild.{build}.yaml")
    saved = {step["args"][1]: step["args"][2] for step in definition["steps"] if step["entrypoint"] == "bash"}
    assert sorted(saved.values()) == sorted(definition["images"])
    for step in steps:
        _, flags = flags_of(build, step)
        assert "image" not in flags
        assert flags["flags-file"] == f"/workspace/{build}.yaml"
        assert build in saved


FAKE_DOCKER = """#!/usr/bin/env bash
printf '%q ' "$@" >> "$RECORD"; echo >> "$RECORD"
case "$1 ${!#}" in
  "inspect python:3.11-slim-bookworm") echo python@sha256:ba5e ;;
  "inspect local:1") ;;
  inspect*) printf '%s\\n' example.org/other@sha256:0dd example.org/our/backend@sha256:d16e57 ;;
esac
"""


@pytest.mark.server
def test_build_step_saves_the_digest_of_the_push_and_records_that_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(FAKE_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RECORD": str(tmp_path / "record"),
        "WORKSPACE": str(tmp_path),
    }

    def build(base: str) -> subprocess.CompletedProcess[str]:
        command = [str(DEPLOY / "build_image.sh"), "backend", "example.org/our/backend:v1", base, "--target", "last"]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    built = build("python:3.11-slim-bookworm")
    assert built.returncode == 0, built.stderr
    assert load(tmp_path / "backend.yaml") == {"--image": "example.org/our/backend@sha256:d16e57"}
    (made,) = [line.split() for line in (tmp_path / "record").read_text().splitlines() if line.startswith("build ")]
    assert "BASE=python:3.11-slim-bookworm@sha256:ba5e" in made
    assert "org.opencontainers.image.base.digest=sha256:ba5e" in made
    assert made[-3:] == ["--target", "last", "."]

    without = build("local:1")
    assert without.returncode == 1
    assert "the base image local:1 has no digest" in without.stderr


def test_dockerfiles_have_one_base_with_a_tag_as_default() -> None:
    for build, program in (("processor", "processor"), ("backend", "backend")):
        lines = (ROOT / f"Dockerfile.{program}").read_text().splitlines()
        (argument,) = [line for line in lines if line.startswith("ARG ")]
        assert argument == f"ARG BASE={load(DEPLOY / f'cloudbuild.{build}.yaml')['substitutions']['_BASE']}"
        outside = [line for line in lines if line.startswith("FROM ") and "/" in line]
        assert outside == []


@pytest.mark.parametrize("name", ["processor", "backend"])
def test_bill_of_materials_fits_the_schema_of_cyclonedx(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is the published one, as the library of the standard's authors contains it."""
    sbom = module_of("sbom")
    lock = ROOT / f"requirements/{name}.lock"
    assert sbom.main([name, str(lock), "--without-environment"]) == 0
    text = capsys.readouterr().out
    document = json.loads(text)
    assert list(validator_of_cyclonedx().iter_errors(document)) == []
    assert len(document["components"]) == len(re.findall(r"^[a-z0-9].*==", lock.read_text(), re.MULTILINE))
    sbom.main([name, str(lock), "--without-environment"])
    assert capsys.readouterr().out == text
    del document["components"][0]["name"]
    assert list(validator_of_cyclonedx().iter_errors(document))


def test_bill_of_materials_rejects_an_environment_that_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sbom = module_of("sbom")
    lock = tmp_path / "our.lock"
    lock.write_text("msgspec==0.0.1 \\\n    --hash=sha256:" + "0" * 64 + "\nnot-installed==1.0\n")
    assert sbom.main(["processor", str(lock)]) == 1
    assert "installed in a version that no lock file has: msgspec" in capsys.readouterr().err
    lock.write_text(f"msgspec=={msgspec.__version__}\nnot-installed==1.0\n")
    assert sbom.main(["processor", str(lock)]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)["components"]] == ["msgspec"]


def validator_of_cyclonedx() -> Any:
    from jsonschema import Draft7Validator
    from referencing import Registry, Resource

    spec = importlib.util.find_spec("cyclonedx.schema")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "_res"

    def schema(name: str) -> Any:
        return json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())

    referenced = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", Resource.from_contents(schema(name)))
        for name in ("spdx", "jsf-0.82")
    ]
    return Draft7Validator(schema("bom-1.6"), registry=Registry().with_resources(referenced))


def module_of(name: str) -> Any:
    """Return a program of the folder deploy as a module."""
    spec = importlib.util.spec_from_file_location(name, DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_deployed_service_has_one_instance_and_valid_settings() -> None:
    words, flags = flags_of("backend", "deploy")
    service = service_of(flags)
    (container,) = service.template.containers
    assert words == ["run", "deploy", "slideshow-backend"]
    assert service.ingress == run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL
    assert service.template.scaling.max_instance_count == 1
    assert container.resources.cpu_idle
    assert container.startup_probe.http_get.path == "/_ready"
    assert container.liveness_probe.http_get.path == "/_live"
    assert container.liveness_probe.timeout_seconds <= container.liveness_probe.period_seconds
    assert (
        container.startup_probe.period_seconds * container.startup_probe.failure_threshold <= 240
    )  # maximum of Cloud Run
    limits = dict(container.resources.limits)
    assert (float(limits["cpu"]), limits["memory"]) == (bill.SERVICE.cpus, f"{bill.SERVICE.memory_gib:g}Gi")
    variables = environment(container)
    assert variables.keys() <= {field.name.upper() for field in msgspec.structs.fields(Settings)}
    read = read_settings({**variables, "K_SERVICE": "slideshow-backend"})
    assert not read.embedded
    assert not read.durable
    assert read.tick_seconds == 0
    assert read.tick_audience == read.backend_api_url == "https://backend.example"
    assert {variable.name for variable in container.env if variable.value_source.secret_key_ref.secret} == {
        "PROCESSOR_AUTH_TOKEN",
        "ADMIN_PASSWORD",
    }


def test_doctor_job_has_the_environment_of_the_service() -> None:
    job = job_of(flags_of("backend", "deploy-doctor")[1])
    (container,) = job.template.template.containers
    service = service_of(flags_of("backend", "deploy")[1])
    same = environment(service.template.containers[0])
    same.pop("TICK_SECONDS")
    assert environment(container) == same
    assert job.template.template.service_account == service.template.service_account
    assert [*container.command, *container.args] == ["python", "-m", "slideshow", "doctor"]


def test_custom_roles_grant_exactly_these_permissions() -> None:
    granted = {path.stem: load(path)["includedPermissions"] for path in (DEPLOY / "roles").glob("*.yaml")}
    assert granted == {
        "slideshowFollower": ["run.operations.get"],
        "slideshowBucketRules": ["storage.buckets.get", "storage.buckets.update"],
    }


LINES = {
    "slideshow_failed_executions": [
        "[JobQueue] slideshow-processor-20261124-a1b2c3 failed after 61.2 s, 3 retries: 1 of 2 tasks failed",
        "[JobQueue] slideshow-processor-20261124-a1b2c3 lost after 61.2 s, 0 retries",
        "[JobQueue] slideshow-processor-20261124-a1b2c3 could not be started, its images stay pending: refused",
    ],
    "slideshow_stuck_images": ["[JobQueue] images stuck: 2 photos wait, and none was completed for 16 min"],
    "slideshow_queue_age": ["[JobQueue] queue age: the oldest of 2 photos has waited 10 s"],
}
"""As the backend writes them: `%s %s after` and `could not be started` in `jobs/queue.py`, the others in
`jobs/queue_monitor.py`, whose own test contains the same lines."""


def pattern_of(metric: dict[str, Any]) -> str:
    return str(re.search(r'jsonPayload\.message=~"(.*)"', metric["filter"])[1])  # type: ignore[index]


@pytest.mark.parametrize("name", LINES)
def test_metric_counts_exactly_its_own_lines(name: str) -> None:
    metric = load(DEPLOY / f"metrics/{name}.yaml")
    assert metric["name"] == name
    counted = [line for lines in LINES.values() for line in lines if re.search(pattern_of(metric), line)]
    assert counted == LINES[name]
    assert not re.search(pattern_of(metric), "[JobQueue] slideshow-processor-1 succeeded after 61.2 s, 0 retries")
    if metric["metricDescriptor"]["valueType"] == "DISTRIBUTION":
        assert '"queue_age_seconds"' in (ROOT / "backend/jobs/queue_monitor.py").read_text()
        assert metric["valueExtractor"] == "EXTRACT(jsonPayload.queue_age_seconds)"


def test_the_words_of_the_metrics_are_those_of_the_backend() -> None:
    queue, monitor = ((ROOT / "backend" / name).read_text() for name in ("jobs/queue.py", "jobs/queue_monitor.py"))
    for words in ('"[JobQueue] %s %s after', '"[JobQueue] %s could not be started, its images stay pending: %s"'):
        assert words in queue
    for words in ('"[JobQueue] queue age: ', '"[JobQueue] images stuck: '):
        assert words in monitor


BUILT_IN_METRICS = {
    "run.googleapis.com/job/completed_execution_count": "cloud_run_job",
    "run.googleapis.com/container/memory/utilizations": "cloud_run_revision",
    "monitoring.googleapis.com/uptime_check/check_passed": "uptime_url",
}
"""Metrics of Google Cloud that alerts watch, with their monitored resource.

Sources, read in November 2026: https://cloud.google.com/monitoring/api/metrics_gcp for the names, and
https://cloud.google.com/monitoring/api/v3/filters for the syntax of filters. None of them needs a working backend.
"""


def test_alerts_watch_existing_metrics_and_link_to_the_documentation() -> None:
    watched = set()
    for path in (DEPLOY / "alerts").glob("*.yaml"):
        policy = load(path)
        text = path.read_text()
        (condition,) = policy["conditions"]
        threshold = condition["conditionThreshold"]
        (metric,) = re.findall(r'metric\.type="([^"]+)"', threshold["filter"])
        (resource,) = re.findall(r'resource\.type="([^"]+)"', threshold["filter"])
        own = metric.removeprefix("logging.googleapis.com/user/")
        if own == metric:
            assert BUILT_IN_METRICS[metric] == resource
        else:
            definition = load(DEPLOY / f"metrics/{own}.yaml")
            assert f'resource.type="{resource}"' in definition["filter"]
        watched.add(own)
        # An alert on missing data needs a duration of at least a minute (reference of AlertPolicy.MetricThreshold).
        missing = threshold.get("evaluationMissingData", "")
        assert not missing or int(threshold["duration"].removesuffix("s")) >= 60
        assert re.match(r'displayName: ".+"\n', text), "deploy.sh identifies a policy by this line"
        (page, heading) = re.findall(r'(docs/\S+\.md),\s+"([^"]+)"', policy["documentation"]["content"])[0]
        assert re.search(rf"^#+ {re.escape(heading)}$", (ROOT / page).read_text(), re.MULTILINE)
    assert watched == {*LINES, "slideshow_ticks", *BUILT_IN_METRICS}


def test_check_image_patterns_match_files_of_the_command_line() -> None:
    check_image = module_of("check_image")
    files = check_image.command_files(ROOT / "slideshow")
    assert {"doctor.py", "verify.py", "rebuild.py"} <= {path.name for path in files}
