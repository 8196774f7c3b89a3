"""The documents match the programs: every setting, command, make target, link and code snippet."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from backend.settings import Settings, describe

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "docs/settings.md").read_text()
README = (ROOT / "README.md").read_text()
DOCUMENTS = [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"]
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
MAX_SCREENSHOT_BYTES = 400_000


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_settings_document_lists_each_backend_setting(field: msgspec.structs.FieldInfo) -> None:
    default = field.default
    text = "" if default in ("", None) else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    assert f"| `{field.name.upper()}` | {text} | {describe(field.name)} |" in SETTINGS


def test_settings_document_lists_each_processor_variable() -> None:
    source = "".join((ROOT / "processor" / name).read_text() for name in ("settings.py", "__main__.py"))
    section = SETTINGS.partition("## Processor")[2]
    variables = {name for name in re.findall(r'"([A-Z][A-Z_]{3,})"', source) if "_" in name}
    assert variables
    missing = {name for name in variables if f"`{name}`" not in section}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_document_links_have_existing_targets(document: Path) -> None:
    # Code blocks may contain text that looks like a link.
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}, which does not exist"


@pytest.mark.server
def test_readme_commands_exist() -> None:
    commands = set(re.findall(r"\.venv/bin/slideshow ([a-z]+)", README))
    assert {"serve", "upload", "devices", "status", "retry", "render"} <= commands
    for command in sorted(commands):
        completed = subprocess.run(
            [sys.executable, "-m", "slideshow", command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
        assert "Usage:" in completed.stdout


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.server
def test_readme_python_snippet_runs(tmp_path: Path) -> None:
    import pyvips

    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert snippet is not None
    pyvips.Image.black(1200, 900, bands=3).copy(interpretation="srgb").write_to_file(str(tmp_path / "photo.jpg"))
    completed = subprocess.run(
        [sys.executable, "-c", snippet[1]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith("1200 900 #")
    variant = pyvips.Image.new_from_file(str(tmp_path / "build/kitchen.jpg"))
    assert (variant.width, variant.height) == (800, 480)


def test_decisions_have_unique_numbers_and_are_indexed() -> None:
    assert len(DECISIONS) > 20
    index = (ROOT / "docs/decisions/README.md").read_text()
    numbers = [int(path.name[:3]) for path in DECISIONS]
    assert len(set(numbers)) == len(numbers)
    for number, path in zip(numbers, DECISIONS, strict=True):
        title = path.read_text().partition("\n")[0].removeprefix(f"# {number:03}. ")
        assert f"| {number:03} | [{title}]({path.name}) |" in index


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_three_sections_with_text(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
    sections = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    assert all(section.strip() for section in sections)


def test_readme_screenshot_is_below_its_size_limit() -> None:
    (screenshot,) = re.findall(r"\]\((docs/screenshots\.png)\)", README)
    assert (ROOT / screenshot).stat().st_size < MAX_SCREENSHOT_BYTES
