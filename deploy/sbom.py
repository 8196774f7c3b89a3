"""Write a software bill of materials (CycloneDX 1.6, JSON) from lock files: `python sbom.py NAME LOCK...`.

In an image build it also compares the lock files with the installed packages, so the list is that of the image:
packages that a marker leaves out on this platform are not in it, and another version is an error.
`--without-environment` lists all packages of the lock files instead.

The output contains neither the time nor a random serial number, so the same lock files give the same bytes.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def canonical(name: str) -> str:
    """Return the normalized name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, version and SHA-256 hashes of each package of a lock file."""
    for entry in text.replace("\\\n", " ").splitlines():
        found = REQUIREMENT.match(entry)
        if found:
            yield canonical(found[1]), found[2], HASH.findall(entry)


def component(name: str, version: str, hashes: Sequence[str]) -> dict[str, Any]:
    """Return a package as a CycloneDX component. The hashes are those of its published files."""
    url = f"pkg:pypi/{name}@{version}"
    files = {
        "type": "distribution",
        "url": url,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(hashes)],
    }
    return {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "externalReferences": [files],
    }


def bill_of(program: str, packages: Sequence[tuple[str, str, list[str]]]) -> dict[str, Any]:
    """Return the document of a program with these packages."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": program, "name": program}},
        "components": [component(*package) for package in sorted(packages)],
    }


def main(arguments: Sequence[str]) -> int:
    """Print the document. Return the exit code: 1 if the environment does not match the lock files."""
    everything = "--without-environment" in arguments
    program, *files = [word for word in arguments if not word.startswith("--")]
    entries = {entry[:2]: entry for file in files for entry in locked(Path(file).read_text(encoding="utf-8"))}
    if not everything:
        installed = {canonical(found.name): found.version for found in importlib.metadata.distributions()}
        locked_names = {name for name, _ in entries}
        wrong = sorted(name for name in locked_names & set(installed) if (name, installed[name]) not in entries)
        if wrong:
            described = ", ".join(f"{name} {installed[name]}" for name in wrong)
            sys.stderr.write(f"installed in a version that no lock file has: {described}\n")
            return 1
        entries = {key: entry for key, entry in entries.items() if installed.get(key[0]) == key[1]}
    document = bill_of(f"slideshow-{program}", list(entries.values()))
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
