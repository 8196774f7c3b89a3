"""The table of invariants: every row is unique, has a test, and quotes words that its source contains."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib import metadata
from typing import Any

import pytest

import emulators.cloud_run as cloud_run
import emulators.cloud_storage as cloud_storage
import emulators.cloud_tasks as cloud_tasks
from emulators.invariants import INVARIANTS, Invariant
from tests.emulators import test_cloud_run, test_cloud_storage, test_cloud_tasks

TESTS: dict[str, Any] = {
    "cloud_run": test_cloud_run.RULES,
    "cloud_storage": test_cloud_storage.RULES,
    "cloud_tasks": test_cloud_tasks.RULES,
}
PACKAGES = {package.__name__.rpartition(".")[2]: package for package in (cloud_run, cloud_storage, cloud_tasks)}


def reference(source: str) -> str:
    """Return the text of an installed source, with single spaces."""
    if source.startswith("file:"):
        path = source.removeprefix("file:")
        files = metadata.files("googleapis-common-protos") or []
        text = next(file.read_text() for file in files if str(file) == path)
        return " ".join(re.sub(r"^\s*//", "", text, flags=re.MULTILINE).split())
    module, _, name = source.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return " ".join((inspect.getdoc(found) or "").split())


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    for service, tests in TESTS.items():
        keys = [row.key for row in INVARIANTS if row.service == service]
        assert len(set(keys)) == len(keys)
        assert set(keys) == set(tests)


@pytest.mark.parametrize("row", INVARIANTS, ids=lambda row: f"{row.service}: {row.key}")
def test_source_states_the_rule(row: Invariant) -> None:
    if row.source.startswith("https://"):
        assert not row.phrase
    else:
        assert row.phrase
        assert row.phrase in reference(row.source)


@pytest.mark.parametrize("row", INVARIANTS, ids=lambda row: f"{row.service}: {row.key}")
def test_enforcing_function_exists(row: Invariant) -> None:
    package = PACKAGES[row.service]
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in MODULES[row.service]]
    first, *rest = row.enforced_by.split(".")
    candidates = [module for module in modules if module.__name__.endswith(f".{first}")]
    found = (
        candidates[0] if candidates else next(getattr(module, first) for module in modules if hasattr(module, first))
    )
    for part in rest:
        found = getattr(found, part)
    assert callable(found)


MODULES = {
    "cloud_run": ["model", "execution", "rules"],
    "cloud_storage": ["objects", "bodies", "handler", "rules"],
    "cloud_tasks": ["queue"],
}
