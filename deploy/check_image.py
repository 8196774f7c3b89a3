"""Run inside an image while it is built: `python check_image.py processor|backend|with-workers`.

Prints what was looked at, a line each, and ends with exit code 1 and the faults if the image is not as it should
be: it lacks something that a file of ours imports, it carries what belongs to the other program, it runs as root,
or a start of it would compile anything.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

APP = Path("/app")
ROOMS = {
    "processor": ("contract", "processor", "native"),
    "backend": ("contract", "backend"),
    "with-workers": ("contract", "backend", "processor", "native"),
}
OF_THE_OTHER = {
    "processor": (
        *("falcon", "sqlalchemy", "alembic", "uvicorn", "uvloop", "jinja2", "click", "rich", "grpc"),
        *("google.cloud.run_v2", "backend", "slideshow"),
    ),
    "backend": (
        *("pyvips", "_libvips", "numba", "llvmlite", "numpy", "simplejpeg", "imagecodecs"),
        *("processor", "native", "rich"),
    ),
    "with-workers": ("rich", "bench", "tests"),
}
COMMANDS = ("__main__.py", "doctor*.py", "import_model*.py", "rebuild.py", "verify.py", "errors.py", "words.py")
"""Of the command line what the backend's images are to run; the other commands need more, and run elsewhere."""
OF_DEVELOPERS = ("pytest", "mypy", "ruff", "uv", "hypothesis", "playwright", "tests", "bench")


def found(module: str) -> bool:
    """Whether the module could be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def files_of(program: str) -> list[Path]:
    """The files that have to work in this image."""
    files = [path for room in ROOMS[program] for path in (APP / room).rglob("*.py")]
    if program != "processor":
        files += [path for pattern in COMMANDS for path in (APP / "slideshow").glob(pattern)]
    return sorted(files)


def foreign_imports(program: str) -> Iterator[tuple[Path, str]]:
    """Every module that one of these files imports, also deep inside of functions."""
    for path in files_of(program):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module


def faults_of_imports(program: str) -> Iterator[str]:
    """Imports of the program that lead nowhere, and modules that it should not have."""
    looked = set()
    for path, module in foreign_imports(program):
        if module in looked:
            continue
        looked.add(module)
        if not found(module):
            yield f"{path} imports {module}, which is not there"
    sys.stdout.write(f"{len(looked)} imports lead somewhere\n")
    for module in (*OF_THE_OTHER[program], *OF_DEVELOPERS):
        if found(module):
            yield f"{module} is there and should not be"


def faults_of_byte_code(program: str) -> Iterator[str]:
    """Files of ours without byte code beside them."""
    files = files_of(program)
    for path in files:
        if not Path(importlib.util.cache_from_source(str(path))).exists():
            yield f"{path} has no byte code"
    sys.stdout.write(f"{len(files)} files have byte code\n")


def faults_of_kernels() -> Iterator[str]:
    """Kernels that this start had to compile, or that are for the building machine alone."""
    from native import jit
    from native.warm_up import warm_up

    lines = warm_up()
    for line in lines:
        if not line.startswith("loaded"):
            yield f"a second start compiles again: {line}"
    target = os.environ.get("NUMBA_CPU_NAME")
    if target not in (jit.X86_TARGET, jit.ARM_TARGET):
        yield f"the kernels are compiled for {target or 'the building machine alone'}, not for {jit.X86_TARGET}"
    sys.stdout.write(f"{len(lines)} kernels loaded for {target}, none compiled\n")


def faults_of_rendering() -> Iterator[str]:
    """Whether a picture comes out of the decoders and encoders that the image brings along."""
    import numpy as np
    import simplejpeg

    from contract.messages.processing import Device
    from processor.render.pipeline import render_image

    ramp = np.linspace(0, 255, 320 * 240 * 3, dtype=np.uint8).reshape(240, 320, 3)
    rendered = render_image(simplejpeg.encode_jpeg(ramp), [Device(name="check", width=160, height=120)])
    picture = simplejpeg.decode_jpeg(rendered.variants[0].data)
    if picture.shape != (120, 160, 3):
        yield f"a photo became a picture of {picture.shape}, not of 160x120"
    sys.stdout.write(f"a photo rendered, {rendered.palette.primary}\n")


def main(program: str) -> int:
    """Look at everything; the exit code."""
    sys.path.insert(0, str(APP))
    faults = list(faults_of_imports(program)) + list(faults_of_byte_code(program))
    if os.getuid() == 0:
        faults.append("it runs as root")
    sys.stdout.write(f"runs as user {os.getuid()}\n")
    if program != "backend":
        faults += [*faults_of_kernels(), *faults_of_rendering()]
    for module in ("processor.__main__",) if program == "processor" else ("backend.__main__", "backend.app"):
        importlib.import_module(module)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
