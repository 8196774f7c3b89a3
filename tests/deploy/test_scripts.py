"""deploy.sh and rollback.sh: valid, reproducible in a dry run, and doing exactly what a dry run prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from backend.jobs import bill

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
DEPLOY = ["deploy/deploy.sh", "--project", "my-photos-1", "--bucket", "our-photos", "--tag", "v1"]
TO_WORKERS = ["deploy/rollback.sh", "to-workers", "--project", "my-photos-1"]
TO_JOBS = ["deploy/rollback.sh", "to-jobs", "--project", "my-photos-1", "--tag", "v1"]
SECRET = "0123456789abcdef"

STUB = """#!/usr/bin/env bash
# Records its arguments. With THERE=yes every resource exists. The input of commands that store secrets is saved.
printf '%q ' gcloud "$@" | sed 's/ $//' >> "$RECORD"; echo >> "$RECORD"
case "$*" in
  "projects describe"*) echo 123456789 ;;
  "run services describe"*containers*) echo us-central1-docker.pkg.dev/my-photos-1/slideshow/backend@sha256:0a ;;
  "run services describe"*cloudsql*) echo "$SQL_IN_USE" ;;
  "run services describe"*maxScale*) echo 7 ;;
  "sql instances describe"*databaseVersion*) echo "${DATABASE_VERSION:-POSTGRES_17}" ;;
  "sql instances describe"*) echo my-photos-1:us-central1:library ;;
  "artifacts docker tags list"*) echo v7 ;;
  "artifacts docker images describe"*) echo sha256:0b ;;
  "builds list"*) echo "${FAILURE:-}" ;;
  "monitoring policies describe"*) echo projects/my-photos-1/notificationChannels/5 ;;
  *" list "* | *" list-configs "*) [[ $THERE == no || $* == *"$EMPTY"* ]] || echo listed-0123456789abcdef ;;
  "secrets create"* | "secrets versions add"* | "sql users create"*) cat >> "$RECORD.secrets" ;;
  *" describe "*) [[ $THERE == yes ]] ;;
esac
"""
READING = ("describe", "list", "list-configs")


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with a gcloud that records its calls, and an openssl with a fixed result."""
    folder = tmp_path_factory.mktemp("stub")
    for name, text in (("gcloud", STUB), ("openssl", f"#!/bin/sh\necho {SECRET}\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def run(
    stub: Path, record: Path, command: list[str], *, there: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    environ = {
        "EMPTY": "nothing is empty",
        "SQL_IN_USE": "",
        **variables,
        "PATH": f"{stub}:{os.environ['PATH']}",
        "HOME": str(record.parent),
        "RECORD": str(record),
        "THERE": "yes" if there else "no",
        "PAUSE_SECONDS": "0",
    }
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def recorded(record: Path) -> list[list[str]]:
    return [shlex.split(line) for line in record.read_text().splitlines()]


def commands(output: str) -> list[list[str]]:
    """Return the gcloud commands of a dry run as words, without commands that are piped into them."""
    # The random part of a bucket's name is only chosen when the bucket is made.
    output = output.replace("-RANDOM", f"-{SECRET}")
    lines = [line for line in output.splitlines() if not line.startswith("#")]
    return [shlex.split(line[line.index("gcloud ") :]) for line in lines]


@pytest.mark.parametrize(
    "command",
    [DEPLOY, [*DEPLOY, "--cloud-sql", "library"], TO_WORKERS, TO_JOBS],
    ids=["deploy", "cloud-sql", "to-workers", "to-jobs"],
)
def test_dry_run_prints_exactly_the_executed_commands(stub: Path, tmp_path: Path, command: list[str]) -> None:
    first, second = (run(stub, tmp_path / "dry", [*command, "--dry-run"]) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    executed = recorded(tmp_path / "dry")
    assert executed
    assert [line for line in executed if not set(READING) & set(line)] == [], "a dry run only reads"

    real = run(stub, tmp_path / "real", command)
    assert real.returncode == 0, real.stderr
    done = recorded(tmp_path / "real")
    assert done == commands(first.stdout)
    assert len(done) > 1


@pytest.mark.parametrize("options", [[], ["--cloud-sql", "library"]], ids=["sqlite", "cloud-sql"])
def test_second_deployment_creates_nothing(stub: Path, tmp_path: Path, options: list[str]) -> None:
    real = run(stub, tmp_path / "again", [*DEPLOY, *options], there=True)
    assert real.returncode == 0, real.stderr
    done = recorded(tmp_path / "again")
    assert [line for line in done if "create" in line] == []
    updated = {" ".join(line[1:4]) for line in done if "update" in line}
    assert updated == {
        "iam roles update",
        "scheduler jobs update",
        "logging metrics update",
        "monitoring policies update",
    }
    assert not (tmp_path / "again.secrets").exists()


def test_second_deployment_changes_no_variable_secret_or_channel_of_the_operator(stub: Path, tmp_path: Path) -> None:
    """The commands of a second run, and the flags of its builds: what they name is ours, and the rest stays.

    The flags are those of gcloud's reference: `--update-...` changes the named ones, `--set-...` removes the others.
    """
    real = run(stub, tmp_path / "again", DEPLOY, there=True)
    assert real.returncode == 0, real.stderr
    done = recorded(tmp_path / "again")
    updates = [line for line in done if line[1:4] == ["monitoring", "policies", "update"]]
    assert len(updates) == len(list((ROOT / "deploy/alerts").glob("*.yaml")))
    for line in updates:
        channel = line[line.index("--set-notification-channels") + 1]
        assert channel == "projects/my-photos-1/notificationChannels/5"
    assert [line for line in done if line[1:3] == ["secrets", "versions"] and "list" not in line] == []
    builds = [path.read_text() for path in (ROOT / "deploy").glob("cloudbuild.*.yaml")]
    assert len(builds) == 2
    for text in builds:
        flags = set(re.findall(r"^ *- (--[a-z-]+)", text, re.MULTILINE))
        assert {"--update-env-vars", "--update-secrets"} <= flags
        replacing = {"--set-env-vars", "--set-secrets", "--env-vars-file", "--clear-env-vars", "--clear-secrets"}
        assert flags & replacing == set()
        removed = re.findall(r"--remove-env-vars=(\S+)", text)
        assert set(removed) <= {"LOCAL_TASKS,MEMORY_LIMIT_MIB"}  # exactly what rollback.sh to-workers adds
    assert "LOCAL_TASKS=1,MEMORY_LIMIT_MIB=1024" in (ROOT / "deploy/rollback.sh").read_text()


def test_second_deployment_keeps_the_database_and_the_limit_of_instances(stub: Path, tmp_path: Path) -> None:
    connection = "my-photos-1:us-central1:by-hand"
    real = run(stub, tmp_path / "again", DEPLOY, there=True, SQL_IN_USE=connection)
    assert real.returncode == 0, real.stderr
    (build,) = [line for line in recorded(tmp_path / "again") if "deploy/cloudbuild.backend.yaml" in line]
    substitutions = build[build.index("--substitutions") + 1]
    assert f"|_MAX_INSTANCES=7|_CLOUD_SQL={connection}|_MORE_SECRETS=" in substitutions
    assert "DATABASE_URL" not in substitutions, "the secret that the operator set stays"


def test_several_instances_need_cloud_sql(stub: Path, tmp_path: Path) -> None:
    ended = run(stub, tmp_path / "record", [*DEPLOY, "--max-instances", "2"])
    assert ended.returncode == 2
    assert "needs --cloud-sql" in ended.stderr
    assert not [line for line in recorded(tmp_path / "record") if "create" in line]


def test_cloud_sql_password_is_only_in_pipes(stub: Path, tmp_path: Path) -> None:
    command = [*DEPLOY, "--cloud-sql", "library"]
    real = run(stub, tmp_path / "real", command)
    assert real.returncode == 0, real.stderr
    address = f"postgresql://slideshow:{SECRET}@/slideshow?host=/cloudsql/my-photos-1:us-central1:library"
    assert (tmp_path / "real.secrets").read_text() == f"{SECRET}{SECRET}--password: {SECRET}\n{address}"
    named = (tmp_path / "real").read_text() + real.stdout + real.stderr
    assert SECRET not in named.replace(f"slideshow-build-{SECRET}", "").replace(f"slideshow-snapshots-{SECRET}", "")
    (build,) = [line for line in recorded(tmp_path / "real") if "deploy/cloudbuild.backend.yaml" in line]
    assert build[build.index("--substitutions") + 1].endswith(
        "|_MAX_INSTANCES=10|_CLOUD_SQL=my-photos-1:us-central1:library"
        "|_MORE_SECRETS=,DATABASE_URL=slideshow-database-url:latest"
    )
    roles = [line for line in recorded(tmp_path / "real") if "roles/cloudsql.client" in line]
    assert [line[line.index("--member") + 1] for line in roles] == [
        "serviceAccount:slideshow-backend@my-photos-1.iam.gserviceaccount.com"
    ]


def test_cloud_sql_instance_must_run_postgresql(stub: Path, tmp_path: Path) -> None:
    ended = run(stub, tmp_path / "record", [*DEPLOY, "--cloud-sql", "library"], DATABASE_VERSION="MYSQL_8_4")
    assert ended.returncode == 1
    assert "runs MYSQL_8_4; the backend needs PostgreSQL" in ended.stderr
    assert not [line for line in recorded(tmp_path / "record") if "create" in line]


def test_secret_without_a_version_gets_one(stub: Path, tmp_path: Path) -> None:
    """An interrupted run can leave a secret without a version, which a later run must not take for complete."""
    real = run(stub, tmp_path / "again", DEPLOY, there=True, EMPTY="versions list slideshow-admin-password")
    assert real.returncode == 0, real.stderr
    added = [line[1:5] for line in recorded(tmp_path / "again") if line[1:4] == ["secrets", "versions", "add"]]
    assert added == [["secrets", "versions", "add", "slideshow-admin-password"]]
    assert (tmp_path / "again.secrets").read_text() == SECRET


def test_bucket_of_another_project_is_rejected(stub: Path, tmp_path: Path) -> None:
    """A bucket that our project does not list can only be created, and creating somebody else's bucket fails."""
    foreign = with_failure(stub, tmp_path, '"storage buckets create gs://our-photos"*')
    ended = run(foreign, tmp_path / "record", DEPLOY)
    assert ended.returncode == 1
    assert "belongs to another one, and photos must not go there" in ended.stderr
    assert not [line for line in recorded(tmp_path / "record") if "add-iam-policy-binding" in line]


def test_staging_bucket_has_a_random_name_and_no_soft_delete(stub: Path, tmp_path: Path) -> None:
    run(stub, tmp_path / "real", DEPLOY)
    name = f"gs://slideshow-build-{SECRET}"
    created = [line for line in recorded(tmp_path / "real") if line[1:5] == ["storage", "buckets", "create", name]]
    assert len(created) == 1
    assert "--soft-delete-duration=0" in created[0]
    builds = [line for line in recorded(tmp_path / "real") if line[1:3] == ["builds", "submit"]]
    assert {line[line.index("--gcs-source-staging-dir") + 1] for line in builds} == {f"{name}/source"}


def test_snapshots_have_a_bucket_without_soft_delete_for_the_backend_alone(stub: Path, tmp_path: Path) -> None:
    run(stub, tmp_path / "real", DEPLOY)
    name = f"gs://slideshow-snapshots-{SECRET}"
    done = [line for line in recorded(tmp_path / "real") if name in line]
    created, granted = done
    assert created[1:5] == ["storage", "buckets", "create", name]
    assert "--soft-delete-duration=0" in created
    assert granted[granted.index("--member") + 1].startswith("serviceAccount:slideshow-backend@")
    (build,) = [line for line in recorded(tmp_path / "real") if "deploy/cloudbuild.backend.yaml" in line]
    assert f"|_SNAPSHOT_BUCKET_URL={name}|" in build[build.index("--substitutions") + 1]


def test_failing_listing_ends_the_run(stub: Path, tmp_path: Path) -> None:
    """Otherwise a second bucket or alert would be created each time a listing fails."""
    failing = with_failure(stub, tmp_path, '"storage buckets list"*slideshow-build*')
    ended = run(failing, tmp_path / "record", DEPLOY)
    assert ended.returncode == 1
    assert "this command failed: gcloud storage buckets list" in ended.stderr


@pytest.mark.parametrize(("failure", "tries"), [("FETCH_SOURCE_FAILED", 5), ("", 5), ("USER_BUILD_STEP", 1)])
def test_build_is_retried_while_permissions_take_effect(stub: Path, tmp_path: Path, failure: str, tries: int) -> None:
    failing = with_failure(stub, tmp_path, '"builds submit"*')
    ended = run(failing, tmp_path / "record", DEPLOY, FAILURE=failure)
    assert ended.returncode == 1
    submitted = [line for line in recorded(tmp_path / "record") if line[1:3] == ["builds", "submit"]]
    assert len(submitted) == tries


def with_failure(stub: Path, folder: Path, pattern: str) -> Path:
    """Return a copy of the recording gcloud that fails for a pattern of its arguments."""
    failing = folder / "failing"
    failing.mkdir()
    original = (stub / "gcloud").read_text()
    changed = original.replace('case "$*" in\n', f'case "$*" in\n  {pattern}) exit 1 ;;\n')
    assert changed != original
    (failing / "gcloud").write_text(changed)
    (failing / "gcloud").chmod(0o755)
    (failing / "openssl").symlink_to(stub / "openssl")
    return failing


def test_queue_is_made_for_the_backend_alone_before_the_builds(stub: Path, tmp_path: Path) -> None:
    done = commands(run(stub, tmp_path / "dry", [*DEPLOY, "--dry-run"]).stdout)
    kinds = [" ".join(line[1:4]) for line in done]
    assert kinds.index("tasks queues create") < kinds.index("builds submit .")
    assert (
        kinds.index("logging metrics create")
        < kinds.index("builds submit .")
        < kinds.index("monitoring policies create")
    )
    (binding,) = [line for line in done if line[1:4] == ["tasks", "queues", "add-iam-policy-binding"]]
    assert binding[binding.index("--member") + 1].startswith("serviceAccount:slideshow-backend@")
    assert binding[binding.index("--role") + 1] == "roles/cloudtasks.enqueuer"
    act_as = [
        line
        for line in done
        if line[1:4] == ["iam", "service-accounts", "add-iam-policy-binding"]
        and line[4].startswith("slideshow-scheduler@")
    ]
    assert len(act_as) == 1
    assert act_as[0][act_as[0].index("--member") + 1].startswith("serviceAccount:slideshow-backend@")


def test_public_access_falls_back_where_all_users_are_rejected(stub: Path, tmp_path: Path) -> None:
    real = run(with_failure(stub, tmp_path, "*allUsers*"), tmp_path / "real", DEPLOY)
    assert real.returncode == 0, real.stderr
    done = recorded(tmp_path / "real")
    assert [line for line in done if "--no-invoker-iam-check" in line]


def test_secrets_appear_in_no_command_and_no_output(stub: Path, tmp_path: Path) -> None:
    real = run(stub, tmp_path / "real", DEPLOY)
    assert real.returncode == 0, real.stderr
    assert (tmp_path / "real.secrets").read_text() == SECRET * 2  # through the pipe, without a newline
    named = (tmp_path / "real").read_text() + real.stdout + real.stderr
    assert SECRET not in named.replace(f"slideshow-build-{SECRET}", "").replace(f"slideshow-snapshots-{SECRET}", "")


def test_builds_receive_the_url_of_a_service_that_does_not_exist_yet(stub: Path, tmp_path: Path) -> None:
    url = "https://slideshow-backend-123456789.us-central1.run.app"
    done = commands(run(stub, tmp_path / "dry", [*DEPLOY, "--dry-run"]).stdout)
    builds = [next(word for word in line if "_REGION=" in word) for line in done if "submit" in line]
    assert len(builds) == 2
    assert [substitutions for substitutions in builds if f"_BACKEND_API_URL={url}" not in substitutions] == []
    (tick,) = [line for line in done if line[1:5] == ["scheduler", "jobs", "create", "http"]]
    assert tick[tick.index("--uri") + 1] == f"{url}/internal/tick"
    assert tick[tick.index("--oidc-token-audience") + 1] == url
    assert not [word for word in tick if "Bearer" in word]


def test_only_few_roles_are_granted_on_the_project(stub: Path, tmp_path: Path) -> None:
    done = commands(run(stub, tmp_path / "dry", [*DEPLOY, "--dry-run"]).stdout)
    on_project = {
        (line[line.index("--member") + 1].split("@")[0], line[line.index("--role") + 1])
        for line in done
        if line[1:3] == ["projects", "add-iam-policy-binding"]
    }
    assert on_project == {
        ("serviceAccount:slideshow-backend", "projects/my-photos-1/roles/slideshowFollower"),
        ("serviceAccount:slideshow-build", "roles/run.developer"),
        ("serviceAccount:slideshow-build", "roles/logging.logWriter"),
    }
    public = [line for line in done if "allUsers" in line]
    assert [line[1:4] for line in public] == [["run", "services", "add-iam-policy-binding"]]


def test_rollback_finds_the_release_of_the_running_digest(stub: Path, tmp_path: Path) -> None:
    done = commands(run(stub, tmp_path / "dry", [*TO_WORKERS, "--dry-run"]).stdout)
    (update,) = [line for line in done if "update" in line]
    assert update[update.index("--image") + 1].endswith("/slideshow/backend-with-workers@sha256:0b")
    (tags,) = [line for line in done if line[1:5] == ["artifacts", "docker", "tags", "list"]]
    assert tags[tags.index("--filter") + 1] == "version~sha256:0a$"
    (image,) = [line for line in done if line[1:5] == ["artifacts", "docker", "images", "describe"]]
    assert image[5].endswith("/slideshow/backend-with-workers:v7")


@pytest.mark.parametrize(
    ("command", "size"),
    [(TO_WORKERS, bill.SERVICE_WITH_WORKERS), (TO_JOBS, bill.SERVICE)],
    ids=["to-workers", "to-jobs"],
)
def test_rollback_uses_the_size_of_the_bill(stub: Path, tmp_path: Path, command: list[str], size: bill.Size) -> None:
    done = commands(run(stub, tmp_path / "dry", [*command, "--dry-run"]).stdout)
    (update,) = [line for line in done if "update" in line]
    assert float(update[update.index("--cpu") + 1]) == size.cpus
    assert update[update.index("--memory") + 1] == f"{size.memory_gib:g}Gi"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--project", "my-photos-1"],
        ["--project", "My Photos", "--bucket", "our-photos"],
        ["--project", "my-photos-1", "--bucket", "our-photos; rm -rf /"],
        ["--project", "my-photos-1", "--bucket", "our-photos", "--tag", "a b"],
        ["--project", "my-photos-1", "--bucket", "our-photos", "--unknown"],
        ["--project"],
    ],
    ids=" ".join,
)
def test_invalid_arguments_are_rejected_before_any_command(stub: Path, tmp_path: Path, arguments: list[str]) -> None:
    ended = run(stub, tmp_path / "record", ["deploy/deploy.sh", *arguments])
    assert ended.returncode == 2
    assert ended.stderr
    assert not (tmp_path / "record").exists()


def test_failing_command_is_retried_six_times(stub: Path, tmp_path: Path) -> None:
    ended = run(with_failure(stub, tmp_path, '"secrets add-iam"*'), tmp_path / "record", DEPLOY)
    assert ended.returncode == 1
    assert "in 6 attempts" in ended.stderr
    tries = [line for line in recorded(tmp_path / "record") if line[1:3] == ["secrets", "add-iam-policy-binding"]]
    assert len(tries) == 6


def test_shellcheck_accepts_the_scripts() -> None:
    scripts = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").glob("*.sh"))
    ended = subprocess.run([BIN / "shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_hadolint_accepts_the_dockerfiles() -> None:
    recipes = sorted(str(path) for path in ROOT.glob("Dockerfile.*"))
    assert len(recipes) == 2
    ended = subprocess.run([BIN / "hadolint", *recipes], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
