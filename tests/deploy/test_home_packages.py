"""The Home Assistant add-on and the Unraid template use only documented fields, and settings of the backend."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from backend.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
ADDON = ROOT / "deploy/home-assistant"
TEMPLATE = ROOT / "deploy/unraid/slideshow.xml"
SETTINGS = {field.name for field in msgspec.structs.fields(Settings)}

ADDON_REQUIRED = {"name", "version", "slug", "description", "arch"}
ADDON_FIELDS = {
    *ADDON_REQUIRED,
    *("stage", "startup", "boot", "ports", "ports_description", "webui", "watchdog", "timeout", "options", "schema"),
}
"""Fields of config.yaml that we use, out of those of "Add-on configuration" of the developers' documentation
(https://developers.home-assistant.io/docs/add-ons/configuration, read on 30 November 2026)."""
SCHEMA_TYPE = re.compile(
    r"(str|int|float)(\(-?[\d.]*,-?[\d.]*\))?\??|(bool|email|url|password|port)\??|(match|list|device)\(.+\)\??"
)
"""Types of options, from the same page."""

TEMPLATE_FIELDS = {
    *("Name", "Repository", "Registry", "Network", "MyIP", "Shell", "Privileged", "Support", "Project", "Overview"),
    *("Category", "WebUI", "TemplateURL", "Icon", "ExtraParams", "PostArgs", "CPUset", "Requires", "Config"),
}
CONFIG_ATTRIBUTES = {"Name", "Target", "Default", "Mode", "Description", "Type", "Display", "Required", "Mask"}
"""Elements and attributes that Unraid reads and writes: `xmlToVar` and `postToXML` in
emhttp/plugins/dynamix.docker.manager/include/Helpers.php of unraid/webgui, read on 30 November 2026."""
MODES = {
    "Port": {"tcp", "udp"},
    "Path": {"rw", "ro", "rw,slave", "ro,slave", "rw,shared", "ro,shared"},
    "Variable": {""},
}


def addon(name: str = "config.yaml") -> Any:
    return YAML(typ="safe").load((ADDON / name).read_text())


def start_program() -> Any:
    spec = importlib.util.spec_from_file_location("start", ADDON / "start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_addon_has_the_required_fields_and_no_unknown_ones() -> None:
    config = addon()
    assert set(config) >= ADDON_REQUIRED
    assert set(config) <= ADDON_FIELDS
    assert set(config["arch"]) <= {"amd64", "aarch64"}
    assert set(config["arch"]) == set(addon("build.yaml")["build_from"])
    assert config["stage"] in ("stable", "experimental", "deprecated")
    assert re.fullmatch(r"[a-z0-9_]+", config["slug"])
    for port in config["ports"]:
        assert re.fullmatch(r"\d+/(tcp|udp)", port)
        assert f"[PORT:{port.partition('/')[0]}]" in config["webui"]
    assert set(config["ports_description"]) == set(config["ports"])


def test_addon_options_have_types_and_are_settings() -> None:
    config = addon()
    assert set(config["options"]) == set(config["schema"])
    assert set(config["options"]) <= SETTINGS
    for name, kind in config["schema"].items():
        assert SCHEMA_TYPE.fullmatch(kind), name
    # null: the user has to give a value before the add-on can start.
    assert config["options"]["admin_password"] is None


def test_addon_options_start_a_backend_with_these_settings() -> None:
    program = start_program()
    options = {**addon()["options"], "admin_password": "a-password"}
    settings = read_settings(program.variables(options))
    assert settings.embedded
    assert (settings.admin_password, settings.device_auth, settings.local_tasks) == ("a-password", "required", 1)
    assert (settings.host, settings.port, settings.data_folder) == ("0.0.0.0", 8080, Path("/data/slideshow"))
    without = program.variables({**options, "admin_password": None})
    assert "ADMIN_PASSWORD" not in without


@pytest.mark.server
def test_addon_start_without_options_says_so() -> None:
    program = ADDON / "start.py"
    assert not Path("/data/options.json").exists()
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "the options of the add-on cannot be read" in ended.stderr


@pytest.mark.server
def test_hadolint_accepts_the_dockerfile_of_the_addon() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    ended = subprocess.run([hadolint, ADDON / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout


def test_unraid_template_has_only_fields_that_unraid_reads() -> None:
    root = ET.parse(TEMPLATE).getroot()
    assert (root.tag, root.get("version")) == ("Container", "2")
    assert {element.tag for element in root} <= TEMPLATE_FIELDS
    assert root.findtext("Privileged") == "false"
    configs = root.findall("Config")
    for config in configs:
        assert set(config.attrib) == CONFIG_ATTRIBUTES
        assert config.get("Mode") in MODES[str(config.get("Type"))]
        assert (config.text or "") == config.get("Default")
        assert config.get("Required") in ("true", "false")
    secrets = [str(config.get("Target")) for config in configs if config.get("Mask") == "true"]
    assert secrets == ["ADMIN_PASSWORD"]


def test_unraid_template_starts_a_backend_with_its_defaults() -> None:
    configs = ET.parse(TEMPLATE).getroot().findall("Config")
    by_type: dict[str, list[ET.Element]] = {}
    for config in configs:
        by_type.setdefault(str(config.get("Type")), []).append(config)
    variables = {str(config.get("Target")): str(config.get("Default")) for config in by_type["Variable"]}
    assert {name.lower() for name in variables} <= SETTINGS
    settings = read_settings({**variables, "SLIDESHOW_DATA": "/data"})
    assert settings.embedded
    (port,), (path,) = by_type["Port"], by_type["Path"]
    assert int(str(port.get("Target"))) == settings.port == 8080
    dockerfile = (ROOT / "Dockerfile.backend").read_text()
    assert f"SLIDESHOW_DATA={path.get('Target')}" in dockerfile
    assert f"[PORT:{settings.port}]" in (ROOT / "deploy/unraid/slideshow.xml").read_text()
