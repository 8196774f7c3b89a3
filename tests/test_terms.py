"""Plain technical English: words that the style guide (CONTRIBUTING.md) bans, and how docstrings begin."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BANNED = {
    r"imitat[a-z]*": "emulated, emulator, fake",
    r"told|tells": "returns, receives, reports, reads",
    r"mend(s|ed|ing)?": "fix, repair",
    r"whoever|whatever|nobody": "name the subject",
    r"anew": "again",
    r"of equals": "on ties",
    r"parted by": "separated by",
    r"noted ahead": "reserved",
    r"rival(s|ed|ry)?": "competitor",
    r"likeness(es)?": "SSIM, similarity",
}
"""Regular expressions of banned words, each with its replacements."""
BANNED_CONSTANTS = {
    r"_?(MOST|LEAST|LONGEST|SHORTEST)_[A-Z_0-9]+": "MAX_, MIN_",
    r"[A-Z_]*AT_ONCE": "BATCH_SIZE, CONCURRENCY",
}
ALLOWED = {
    "UPLOADS_AT_ONCE",  # an environment variable that operators set
    "bench-rivals",  # a make target of earlier releases, kept as an alias
    '"mend"',  # a JSON field of `slideshow doctor --json`, kept beside "fix"
}
CLAUSE = re.compile(r"(What|Whether|Who|Whom|Whose|Of|So|How|Where|Which|Whoever)\b")
"""First words of a docstring that does not begin with a verb or a noun."""
SUFFIXES = {".py", ".md", ".html", ".js", ".mjs", ".css", ".svg", ".yaml", ".yml", ".toml", ".sh"}
NAMES = {"Makefile", ".dockerignore", ".gcloudignore", ".gitignore", ".editorconfig", "run"}
LEFT_OUT = {"tests/test_terms.py", "CONTRIBUTING.md"}
"""This table, and its copy for people."""


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return [
        name
        for name in listed.stdout.splitlines()
        if (Path(name).suffix in SUFFIXES or Path(name).name in NAMES or Path(name).name.startswith("Dockerfile"))
        and not name.startswith("bench/results/")
        and name not in LEFT_OUT
        and (ROOT / name).is_file()
    ]


FILES = tracked_files()
PATTERNS = [
    (re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", re.IGNORECASE), better)
    for pattern, better in BANNED.items()
] + [(re.compile(rf"\b(?:{pattern})\b"), better) for pattern, better in BANNED_CONSTANTS.items()]


def banned_words(text: str) -> list[str]:
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return [
        f"{text.count(chr(10), 0, found.start()) + 1}: {found[0]} (use {better})"
        for pattern, better in PATTERNS
        for found in pattern.finditer(text)
    ]


def clause_docstrings(source: str) -> list[str]:
    return [
        f"{getattr(node, 'lineno', 1)}: {docstring.splitlines()[0][:60]}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (docstring := ast.get_docstring(node))
        and CLAUSE.match(docstring)
    ]


def test_search_finds_banned_words_and_constants() -> None:
    assert len(banned_words("nobody_told = MOST_BYTES\nan Imitated amendment; recommended\nUPLOADS_AT_ONCE")) == 4
    assert clause_docstrings('"""Whether it is."""\ndef f():\n    """Return it."""\n') == ["1: Whether it is."]


def test_search_covers_the_repository() -> None:
    assert len(FILES) > 400


def test_files_have_no_banned_words() -> None:
    found = {name: words for name in FILES if (words := banned_words((ROOT / name).read_text()))}
    assert found == {}


def test_docstrings_do_not_begin_with_a_clause() -> None:
    modules = [name for name in FILES if name.endswith(".py")]
    found = {name: begun for name in modules if (begun := clause_docstrings((ROOT / name).read_text()))}
    assert found == {}
