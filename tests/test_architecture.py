"""Rules on the source tree that import-linter cannot express: size of files, size of packages, start-up imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("contract", "processor", "backend", "native", "slideshow", "emulators", "bench")
MAX_LINES = 400
"""A longer module has more than one subject."""


def sources(package: str) -> list[Path]:
    """Return the Python files of a package, without migrations and Node.js packages."""
    excluded = {"migrations", "node_modules"}
    paths = sorted(path for path in (ROOT / package).rglob("*.py") if not excluded & set(path.parts))
    assert paths, f"{package} has no modules"
    return paths


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_have_at_most_max_lines(package: str) -> None:
    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in sources(package)
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def public_nodes(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield the module and its public top-level classes and functions, each with its name."""
    yield "the module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != "slideshow"])
def test_public_names_have_docstrings(package: str) -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        if path.read_text().strip() and not path.name.startswith("test_")
        for name, node in public_nodes(ast.parse(path.read_text()))
        if not ast.get_docstring(node)  # type: ignore[arg-type]
    ]
    assert missing == []


def imported_by(*modules: str) -> set[str]:
    """Return the names of all modules that a new interpreter loads when it imports `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    return set(completed.stdout.split())


@pytest.mark.server
def test_command_line_loads_no_program_before_a_command_runs() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources("slideshow") if path.stem[0] != "_"
    ]
    loaded = imported_by(*modules)
    assert "slideshow.errors" in loaded
    assert sorted(name for name in loaded if name.partition(".")[0] in {"backend", "processor", "native"}) == []


@pytest.mark.server
def test_contract_loads_msgspec_and_the_standard_library_only() -> None:
    """The Google Cloud Storage client is loaded when a `gs://` bucket is opened."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources("contract")
        if path.stem != "__init__" and "gcs" not in path.parts
    ]
    roots = {name.partition(".")[0] for name in imported_by(*modules)}
    third_party = roots - set(sys.stdlib_module_names) - {"contract", "msgspec", "typing_extensions", "__main__"}
    assert (
        sorted(name for name in third_party if not name.startswith(("_", "sitecustomize", "coverage", "$coverage")))
        == []
    )


SQL_NAMES = {"select", "insert", "update", "delete", "func", "text", "exists", "and_", "or_", "literal", "bindparam"}


def sql_uses(source: str) -> list[str]:
    """Return the names with which a module builds SQL statements."""
    tree = ast.parse(source)
    aliases = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "sqlalchemy"
    }
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sqlalchemy"
        for alias in node.names
    ]
    attributes = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
    ]
    return sorted(SQL_NAMES & {*imported, *attributes})


def test_sql_uses_finds_imports_and_attributes() -> None:
    assert sql_uses("from sqlalchemy import Connection, select") == ["select"]
    assert sql_uses("import sqlalchemy as sa\nsa.func.count()\nsa.Row") == ["func"]
    assert sql_uses("from sqlalchemy.exc import SQLAlchemyError\nother.select()") == []


def test_sql_is_in_the_database_package_only() -> None:
    outside = [path for path in sources("backend") if "database" not in path.relative_to(ROOT).parts]
    found = {path.relative_to(ROOT).as_posix(): uses for path in outside if (uses := sql_uses(path.read_text()))}
    assert found == {}
