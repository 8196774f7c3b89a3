"""Workflows, compose.yaml and CONTRIBUTING.md fit their schemas and name only existing files and targets."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML
from sqlalchemy.engine import make_url

from backend.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
SCHEMAS = {
    "vendor.github-workflows": ".github/workflows/*.yml",
    "custom.github-workflows-require-timeout": ".github/workflows/*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "vendor.compose-spec": "compose.yaml",
}
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The headings of Keep a Changelog 1.1.0."""


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def make_calls(text: str) -> set[str]:
    """Return the targets that a text calls: `make test` in backticks, or at the beginning of a command."""
    return set(re.findall(r"(?:^|`)\s*(?:- run: )?make ([a-z][a-z-]*)", text, re.MULTILINE))


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.server
@pytest.mark.parametrize("schema", SCHEMAS)
def test_file_fits_its_schema(schema: str) -> None:
    files = sorted(ROOT.glob(SCHEMAS[schema]))
    assert files
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", schema, *map(str, files)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_few_permissions_and_pinned_actions(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert "permissions" not in job, name
        assert re.fullmatch(r"ubuntu-\d\d\.04", job["runs-on"]), name
        uses = [step for step in job["steps"] if "uses" in step]
        assert uses[0]["with"]["persist-credentials"] is False, name
        for step in uses:
            assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", step["uses"]), step["uses"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_calls_targets_that_exist(path: Path) -> None:
    called = make_calls(path.read_text())
    assert called
    assert called <= make_targets()


def test_fast_tests_run_on_each_supported_python() -> None:
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    versions = load(ROOT / ".github/workflows/ci.yml")["jobs"]["fast"]["strategy"]["matrix"]["python"]
    assert supported == f">={versions[0]}"
    assert versions == [f"3.{minor}" for minor in range(11, 11 + len(versions))]


@pytest.fixture(scope="module")
def service() -> Any:
    return load(ROOT / "compose.yaml")["services"]["backend"]


def resolved(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables of compose.yaml where neither the shell nor `.env` sets one."""
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in environment.items()}


def test_compose_sets_what_the_backend_reads(service: Any) -> None:
    environment = resolved(service["environment"])
    assert set(environment) <= {field.name.upper() for field in msgspec.structs.fields(Settings)}
    settings = read_settings(environment)
    assert settings.embedded, "a secret would be missing"
    assert settings.device_auth == "required"
    assert settings.flush_delay_seconds == Settings().flush_delay_seconds
    for name, value in service["environment"].items():
        assert "$" not in value or value.startswith(f"${{{name}:-"), "the variable has one name outside and inside"


def test_compose_starts_postgresql_only_with_its_profile(service: Any) -> None:
    composition = load(ROOT / "compose.yaml")
    assert set(composition["services"]) == {"backend", "postgres"}
    server = composition["services"]["postgres"]
    assert server["profiles"] == ["postgres"]
    assert "ports" not in server, "only the backend reaches it"
    assert service["depends_on"]["postgres"] == {"condition": "service_healthy", "required": False}
    (volume,) = (entry.partition(":")[0] for entry in server["volumes"])
    assert volume in composition["volumes"]
    # The lines for `.env` that the file documents name the same user, database and host.
    (url,) = re.findall(r"^#   DATABASE_URL=(\S+)$", (ROOT / "compose.yaml").read_text(), re.MULTILINE)
    address = make_url(read_settings({**resolved(service["environment"]), "DATABASE_URL": url}).database)
    user, name = server["environment"]["POSTGRES_USER"], server["environment"]["POSTGRES_DB"]
    assert (address.get_backend_name(), address.username, address.host, address.database) == (
        "postgresql",
        user,
        "postgres",
        name,
    )


def test_compose_builds_a_stage_that_exists(service: Any) -> None:
    dockerfile = (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).read_text()
    assert re.search(rf"^FROM \S+ AS {re.escape(service['build']['target'])}$", dockerfile, re.MULTILINE)
    assert service["pull_policy"] == "build", "no image is published"


def test_compose_mounts_the_volume_where_the_data_are(service: Any) -> None:
    dockerfile = (ROOT / service["build"]["dockerfile"]).read_text()
    (mount,) = service["volumes"]
    volume, folder = mount.split(":")
    assert volume in load(ROOT / "compose.yaml")["volumes"]
    assert folder == service["environment"]["SLIDESHOW_DATA"]
    # A new volume takes its owner from the folder of the image, and the image does not run as root.
    (user,) = set(re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE))
    assert f"install -d -o {user} -g {user} -m 700 {folder}\n" in dockerfile


def test_compose_publishes_the_port_to_this_machine_only(service: Any) -> None:
    (published,) = service["ports"]
    address, _, inside = published.split(":")
    assert address == "127.0.0.1"
    assert inside == service["environment"]["PORT"]
    assert service["environment"]["HOST"] == "0.0.0.0"
    assert f"EXPOSE {inside}\n" in (ROOT / service["build"]["dockerfile"]).read_text()
    assert f'"http://127.0.0.1:{inside}/_ready"' in service["healthcheck"]["test"][-1]
    compile(service["healthcheck"]["test"][-1], "healthcheck", "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_contributing_names_make_targets_that_exist() -> None:
    called = make_calls((ROOT / "CONTRIBUTING.md").read_text())
    assert {"test-fast", "test", "check", "chaos", "fuzz", "load", "bench", "lint", "lock"} <= called
    assert called <= make_targets()


def test_contributing_names_files_that_exist() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    named = set(re.findall(r"`([a-z.]+/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text()))
    named = {path for path in named if path.partition("/")[0] in folders}
    assert {"contract/image_header/signatures.py", "bench/cases/__init__.py"} <= named
    assert not {path for path in named if not (ROOT / path).exists()}


def test_contributing_describes_each_mark() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    marks = {mark.partition(":")[0] for mark in options["markers"]}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert not {mark for mark in marks if f"`{mark}`" not in text}
    fast = re.search(r"^test-fast:.*?\n\n", (ROOT / "Makefile").read_text(), re.DOTALL | re.MULTILINE)
    assert fast is not None
    assert set(re.findall(r"not (\w+)", fast[0])) == marks


def test_changelog_begins_with_what_is_unreleased() -> None:
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    assert sections[0].startswith("[Unreleased]\n")
    for section in sections:
        assert set(re.findall(r"^### (.+)$", section, re.MULTILINE)) <= CHANGES
        assert "### " in section


def test_hooks_run_tools_of_the_environment() -> None:
    (repository,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "a hook from elsewhere would have a version of its own"
    for hook in repository["hooks"]:
        tool = Path(shlex.split(hook["entry"])[0])
        assert tool.parent == Path(".venv/bin")
        assert (BIN / tool.name).exists(), hook["id"]
        assert hook["language"] == "system"


def test_dependabot_looks_where_manifests_are() -> None:
    manifests = {"pip": "pyproject.toml", "npm": "package.json", "github-actions": ".github/workflows"}
    updates = load(ROOT / ".github/dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(manifests)
    for update in updates:
        assert (ROOT / update["directory"].strip("/") / manifests[update["package-ecosystem"]]).exists()
