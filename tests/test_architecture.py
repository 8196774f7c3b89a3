"""The arrows of the house, proven on the source: who imports whom, how long files are, what is documented."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("contract", "processor", "backend", "native", "slideshow")
WITH_BENCH = (*ROOMS, "bench")
"""`bench` may import everything and nothing imports it; its files are as short and as well documented as others."""

MAY_IMPORT = {
    "contract": {"contract"},
    "native": {"native"},
    "processor": {"processor", "contract", "native"},
    "backend": {"backend", "contract"},
    "slideshow": set(ROOMS),
}
LONGEST_FILE = 250
"""Lines; beyond it a file has more than one subject."""


def sources(room: str) -> list[Path]:
    left_out = {"migrations", "node_modules"}
    return sorted(path for path in (ROOT / room).rglob("*.py") if not left_out & set(path.parts))


def imports(tree: ast.AST, *, deferred: bool = False) -> Iterator[tuple[str, bool, int]]:
    """(module, whether only a call or a type checker imports it, line) of every import below `tree`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name, deferred, child.lineno
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute"
            assert child.module is not None
            yield child.module, deferred, child.lineno
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
        ):
            yield from imports(child, deferred=True)
        else:
            yield from imports(child, deferred=deferred)


def found_in(path: Path) -> list[tuple[str, bool, int]]:
    return list(imports(ast.parse(path.read_text(), str(path))))


def test_the_check_sees_every_form_of_import() -> None:
    text = (
        "import a.b\nfrom c import d\ntry:\n    import e\nexcept ImportError:\n    pass\n"
        "def f():\n    import g\nclass H:\n    import i\n    async def j(self):\n        from k import l\n"
        "if TYPE_CHECKING:\n    import m\nwith x:\n    import n\n"
    )
    assert [(name, deferred) for name, deferred, _ in imports(ast.parse(text))] == [
        ("a.b", False),
        ("c", False),
        ("e", False),
        ("g", True),
        ("i", False),
        ("k", True),
        ("m", True),
        ("n", False),
    ]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "slideshow"])
def test_no_room_is_empty(room: str) -> None:
    assert sources(room)


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_go_one_way(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources(room)
        for module, _, line in found_in(path)
        if module.partition(".")[0] in {*ROOMS, "tests", "bench"} - MAY_IMPORT[room]
    ]
    assert wrong == []


def test_the_contract_needs_msgspec_and_the_standard_library_alone() -> None:
    # The Google Cloud Storage client belongs to its bucket, which is imported only when one is opened.
    client = {"google", "google_crc32c", "requests", "urllib3"}
    wrong = []
    for path in sources("contract"):
        place = path.relative_to(ROOT).as_posix()
        its_own = path.name.startswith("bucket_gcs")
        allowed = {"contract", "msgspec", *sys.stdlib_module_names, *(client if its_own else ())}
        for module, deferred, line in found_in(path):
            of_client = module.startswith("contract.bucket_gcs") and not its_own
            if module.partition(".")[0] not in allowed or (of_client and not deferred):
                wrong.append(f"{place}:{line} imports {module}")
    assert wrong == []


def test_the_command_line_imports_programs_only_inside_commands() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources("slideshow")
        for module, deferred, line in found_in(path)
        if module.partition(".")[0] in {"backend", "processor", "native"} and not deferred
    ]
    assert wrong == []


def test_no_file_has_more_than_one_subjects_lines() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): count
        for room in WITH_BENCH
        for path in sources(room)
        if (count := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def public_nodes(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The module, and its public classes and functions at the top level, by name."""
    yield "the module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node


@pytest.mark.parametrize("room", ["contract", "backend", "processor", "native", "bench"])
def test_whatever_is_public_says_what_it_is(room: str) -> None:
    silent = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(room)
        if path.read_text().strip() and not path.name.startswith("test_")
        for name, node in public_nodes(ast.parse(path.read_text()))
        if not ast.get_docstring(node)  # type: ignore[arg-type]
    ]
    assert silent == []
