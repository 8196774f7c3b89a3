"""deploy.sh and rollback.sh: clean, the same at each dry run, and doing exactly what a dry run prints."""

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
# Records what it is asked; what `there` holds exists.
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
    """A folder with a gcloud that records, and an openssl whose random is known."""
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
    """The gcloud commands of a dry run, as words; what is piped into one is left out."""
    lines = [line for line in output.splitlines() if not line.startswith("#")]
    return [shlex.split(line[line.index("gcloud ") :]) for line in lines]


@pytest.mark.parametrize("command", [DEPLOY, TO_WORKERS, TO_JOBS], ids=["deploy", "to-workers", "to-jobs"])
def test_a_dry_run_prints_exactly_what_is_done(stub: Path, tmp_path: Path, command: list[str]) -> None:
    first, second = (run(stub, tmp_path / "dry", [*command, "--dry-run"]) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    looked = (tmp_path / "dry").read_text().splitlines()
    assert all(" describe " in line for line in looked), "a dry run only looks"

    real = run(stub, tmp_path / "real", command)
    assert real.returncode == 0, real.stderr
    done = [shlex.split(line) for line in (tmp_path / "real").read_text().splitlines()]
    assert done == commands(first.stdout)
    assert len(done) > 1


def test_a_second_deployment_makes_nothing_twice(stub: Path, tmp_path: Path) -> None:
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


def test_no_secret_is_in_a_command_or_in_what_is_printed(stub: Path, tmp_path: Path) -> None:
    real = run(stub, tmp_path / "real", DEPLOY)
    assert real.returncode == 0, real.stderr
    assert (tmp_path / "real.secrets").read_text() == SECRET * 2  # through the pipe, without a line's end
    assert SECRET not in (tmp_path / "real").read_text() + real.stdout + real.stderr


def test_the_job_is_told_of_a_service_that_is_not_there_yet(stub: Path, tmp_path: Path) -> None:
    url = "https://slideshow-backend-123456789.us-central1.run.app"
    done = commands(run(stub, tmp_path / "dry", [*DEPLOY, "--dry-run"]).stdout)
    builds = [next(word for word in line if word.startswith("_REGION=")) for line in done if "submit" in line]
    assert len(builds) == 2
    assert all(f"_BACKEND_API_URL={url}" in substitutions for substitutions in builds)
    (tick,) = [line for line in done if line[1:5] == ["scheduler", "jobs", "create", "http"]]
    assert tick[tick.index("--uri") + 1] == f"{url}/internal/tick"
    assert tick[tick.index("--oidc-token-audience") + 1] == url
    assert not [word for word in tick if "Bearer" in word]


def test_roles_are_granted_on_things_and_only_a_few_on_the_project(stub: Path, tmp_path: Path) -> None:
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


def test_going_back_takes_the_tag_of_what_runs(stub: Path, tmp_path: Path) -> None:
    (update,) = [
        line for line in commands(run(stub, tmp_path / "dry", [*TO_WORKERS, "--dry-run"]).stdout) if "update" in line
    ]
    assert update[update.index("--image") + 1].endswith("/slideshow/backend-with-workers:v7")


@pytest.mark.parametrize(
    ("command", "size"),
    [(TO_WORKERS, bill.SERVICE_WITH_WORKERS), (TO_JOBS, bill.SERVICE)],
    ids=["to-workers", "to-jobs"],
)
def test_going_back_takes_the_size_that_the_bill_reckons_with(
    stub: Path, tmp_path: Path, command: list[str], size: bill.Size
) -> None:
    found = commands(run(stub, tmp_path / "dry", [*command, "--dry-run"]).stdout)
    (update,) = [line for line in found if "update" in line]
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
def test_wrong_use_is_refused_before_anything_is_done(stub: Path, tmp_path: Path, arguments: list[str]) -> None:
    refused = run(stub, tmp_path / "record", ["deploy/deploy.sh", *arguments])
    assert refused.returncode == 2
    assert refused.stderr
    assert not (tmp_path / "record").exists()


def test_what_is_not_possible_yet_is_tried_again_and_not_for_ever(stub: Path, tmp_path: Path) -> None:
    refusing = tmp_path / "refusing"
    refusing.mkdir()
    (refusing / "gcloud").write_text(
        f'#!/bin/bash\ncase "$*" in "secrets add-iam"*) echo try >> "{tmp_path}/tries"; exit 1;; esac\n'
        f'exec {stub}/gcloud "$@"\n'
    )
    (refusing / "gcloud").chmod(0o755)
    (refusing / "openssl").symlink_to(stub / "openssl")
    ended = run(refusing, tmp_path / "record", DEPLOY)
    assert ended.returncode == 1
    assert "six attempts" in ended.stderr
    assert (tmp_path / "tries").read_text().count("try") == 6


def test_the_scripts_are_clean() -> None:
    scripts = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").glob("*.sh"))
    found = subprocess.run([BIN / "shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_the_recipes_of_the_images_are_clean() -> None:
    recipes = sorted(str(path) for path in ROOT.glob("Dockerfile.*"))
    assert len(recipes) == 2
    found = subprocess.run([BIN / "hadolint", *recipes], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
