"""deploy.sh and rollback.sh: valid, reproducible in a dry run, and doing exactly what a dry run prints."""

from __future__ import annotations

import os
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
# Records its arguments. With THERE=yes every resource exists.
printf '%q ' gcloud "$@" | sed 's/ $//' >> "$RECORD"; echo >> "$RECORD"
case "$*" in
  "projects describe"*) echo 123456789 ;;
  "run services describe"*) echo us-central1-docker.pkg.dev/my-photos-1/slideshow/backend:v7 ;;
  "monitoring policies list"*) [[ $THERE == no ]] || echo projects/my-photos-1/alertPolicies/7 ;;
  "secrets create"*) cat >> "$RECORD.secrets" ;;
  *" describe "*) [[ $THERE == yes ]] ;;
esac
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with a gcloud that records its calls, and an openssl with a fixed result."""
    folder = tmp_path_factory.mktemp("stub")
    for name, text in (("gcloud", STUB), ("openssl", f"#!/bin/sh\necho {SECRET}\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def run(stub: Path, record: Path, command: list[str], *, there: bool = False) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": f"{stub}:{os.environ['PATH']}",
        "HOME": str(record.parent),
        "RECORD": str(record),
        "THERE": "yes" if there else "no",
        "PAUSE_SECONDS": "0",
    }
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def commands(output: str) -> list[list[str]]:
    """Return the gcloud commands of a dry run as words, without commands that are piped into them."""
    lines = [line for line in output.splitlines() if not line.startswith("#")]
    return [shlex.split(line[line.index("gcloud ") :]) for line in lines]


@pytest.mark.parametrize("command", [DEPLOY, TO_WORKERS, TO_JOBS], ids=["deploy", "to-workers", "to-jobs"])
def test_dry_run_prints_exactly_the_executed_commands(stub: Path, tmp_path: Path, command: list[str]) -> None:
    first, second = (run(stub, tmp_path / "dry", [*command, "--dry-run"]) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    executed = (tmp_path / "dry").read_text().splitlines()
    assert executed
    assert [line for line in executed if " describe " not in line] == [], "a dry run only reads"

    real = run(stub, tmp_path / "real", command)
    assert real.returncode == 0, real.stderr
    done = [shlex.split(line) for line in (tmp_path / "real").read_text().splitlines()]
    assert done == commands(first.stdout)
    assert len(done) > 1


def test_second_deployment_creates_nothing(stub: Path, tmp_path: Path) -> None:
    real = run(stub, tmp_path / "again", DEPLOY, there=True)
    assert real.returncode == 0, real.stderr
    done = [line.split() for line in (tmp_path / "again").read_text().splitlines()]
    assert [line for line in done if "create" in line] == []
    updated = {" ".join(line[1:4]) for line in done if "update" in line}
    assert updated == {
        "iam roles update",
        "scheduler jobs update",
        "logging metrics update",
        "monitoring policies update",
    }
    assert not (tmp_path / "again.secrets").exists()


def test_secrets_appear_in_no_command_and_no_output(stub: Path, tmp_path: Path) -> None:
    real = run(stub, tmp_path / "real", DEPLOY)
    assert real.returncode == 0, real.stderr
    assert (tmp_path / "real.secrets").read_text() == SECRET * 2  # through the pipe, without a newline
    assert SECRET not in (tmp_path / "real").read_text() + real.stdout + real.stderr


def test_builds_receive_the_url_of_a_service_that_does_not_exist_yet(stub: Path, tmp_path: Path) -> None:
    url = "https://slideshow-backend-123456789.us-central1.run.app"
    done = commands(run(stub, tmp_path / "dry", [*DEPLOY, "--dry-run"]).stdout)
    builds = [next(word for word in line if word.startswith("_REGION=")) for line in done if "submit" in line]
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


def test_rollback_uses_the_running_tag(stub: Path, tmp_path: Path) -> None:
    (update,) = [
        line for line in commands(run(stub, tmp_path / "dry", [*TO_WORKERS, "--dry-run"]).stdout) if "update" in line
    ]
    assert update[update.index("--image") + 1].endswith("/slideshow/backend-with-workers:v7")


@pytest.mark.parametrize(
    ("command", "size"),
    [(TO_WORKERS, bill.SERVICE_WITH_WORKERS), (TO_JOBS, bill.SERVICE)],
    ids=["to-workers", "to-jobs"],
)
def test_rollback_uses_the_size_of_the_bill(stub: Path, tmp_path: Path, command: list[str], size: bill.Size) -> None:
    done = commands(run(stub, tmp_path / "dry", [*command, "--dry-run"]).stdout)
    (update,) = [line for line in done if "update" in line]
    assert float(update[update.index("--cpu") + 1]) == size.cpus
    assert update[update.index("--memory") + 1] == f"{size.memory_gib * 1024:.0f}Mi"


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
    failing = tmp_path / "failing"
    failing.mkdir()
    (failing / "gcloud").write_text(
        f'#!/bin/bash\ncase "$*" in "secrets add-iam"*) echo try >> "{tmp_path}/tries"; exit 1;; esac\n'
        f'exec {stub}/gcloud "$@"\n'
    )
    (failing / "gcloud").chmod(0o755)
    (failing / "openssl").symlink_to(stub / "openssl")
    ended = run(failing, tmp_path / "record", DEPLOY)
    assert ended.returncode == 1
    assert "six attempts" in ended.stderr
    assert (tmp_path / "tries").read_text().count("try") == 6


def test_shellcheck_accepts_the_scripts() -> None:
    scripts = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").glob("*.sh"))
    ended = subprocess.run([BIN / "shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_hadolint_accepts_the_dockerfiles() -> None:
    recipes = sorted(str(path) for path in ROOT.glob("Dockerfile.*"))
    assert len(recipes) == 2
    ended = subprocess.run([BIN / "hadolint", *recipes], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
