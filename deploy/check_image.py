"""Check an image while it is built: `python check_image.py processor|backend|with-workers`.

Prints one line for each check, and the errors. The exit code is 1 in these cases:

- A module that one of our files imports is missing.
- The image contains packages of the other program or of developers.
- The image runs as root.
- A start of the image would compile byte code or kernels.
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
PACKAGES = {
    "processor": ("contract", "processor", "native"),
    "backend": ("contract", "backend"),
    "with-workers": ("contract", "backend", "processor", "native"),
}
FORBIDDEN = {
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
COMMANDS = (
    *("__main__.py", "errors.py", "output.py", "client/local_data.py", "doctor/*.py", "import_legacy/*.py"),
    *(f"commands/{name}.py" for name in ("doctor", "import_legacy", "rebuild", "verify")),
)
"""Files of the command line that must work in the backend's images; the other commands need more packages."""
DEVELOPER_PACKAGES = ("pytest", "mypy", "ruff", "uv", "hypothesis", "playwright", "tests", "bench", "emulators")


def is_importable(module: str) -> bool:
    """Return True if the module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def command_files(folder: Path) -> list[Path]:
    """Return the files of `COMMANDS` below `folder`. Raises FileNotFoundError for a pattern without a file."""
    files = []
    for pattern in COMMANDS:
        matching = list(folder.glob(pattern))
        if not matching:
            raise FileNotFoundError(f"no file matches {folder / pattern}; correct COMMANDS in check_image.py")
        files += matching
    return files


def files_of(program: str) -> list[Path]:
    """Return the files that must work in this image."""
    files = [path for package in PACKAGES[program] for path in (APP / package).rglob("*.py")]
    if program != "processor":
        files += command_files(APP / "slideshow")
    return sorted(files)


def imports_of(program: str) -> Iterator[tuple[Path, str]]:
    """Yield every module that one of these files imports, including imports inside functions."""
    for path in files_of(program):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module


def import_errors(program: str) -> Iterator[str]:
    """Yield imports of missing modules, and modules that the image must not contain."""
    checked = set()
    for path, module in imports_of(program):
        if module in checked:
            continue
        checked.add(module)
        if not is_importable(module):
            yield f"{path} imports {module}, which is missing"
    sys.stdout.write(f"{len(checked)} imported modules checked\n")
    for module in (*FORBIDDEN[program], *DEVELOPER_PACKAGES):
        if is_importable(module):
            yield f"{module} is installed, but must not be"


def byte_code_errors(program: str) -> Iterator[str]:
    """Yield our files without byte code."""
    files = files_of(program)
    for path in files:
        if not Path(importlib.util.cache_from_source(str(path))).exists():
            yield f"{path} has no byte code"
    sys.stdout.write(f"{len(files)} files checked for byte code\n")


def kernel_errors() -> Iterator[str]:
    """Yield kernels that this start had to compile, or that are compiled for the build machine only."""
    from native import jit
    from native.warm_up import warm_up

    lines = warm_up()
    for line in lines:
        if not line.startswith("loaded"):
            yield f"a second start compiles a kernel: {line}"
    target = os.environ.get("NUMBA_CPU_NAME")
    if target not in (jit.X86_TARGET, jit.ARM_TARGET):
        yield f"the kernels are compiled for {target or 'the build machine only'}, not for {jit.X86_TARGET}"
    sys.stdout.write(f"{len(lines)} kernels checked for {target}\n")


def rendering_errors() -> Iterator[str]:
    """Yield an error if the image's decoders and encoders do not render a photo."""
    import numpy as np
    import simplejpeg

    from contract.messages.processing import Device
    from processor.render.pipeline import render_image

    ramp = np.linspace(0, 255, 320 * 240 * 3, dtype=np.uint8).reshape(240, 320, 3)
    rendered = render_image(simplejpeg.encode_jpeg(ramp), [Device(name="check", width=160, height=120)])
    picture = simplejpeg.decode_jpeg(rendered.variants[0].data)
    if picture.shape != (120, 160, 3):
        yield f"a rendered picture has the shape {picture.shape}, not (120, 160, 3)"
    sys.stdout.write(f"a photo rendered, primary colour {rendered.palette.primary}\n")


def main(program: str) -> int:
    """Run all checks. Return the exit code."""
    sys.path.insert(0, str(APP))
    errors = list(import_errors(program)) + list(byte_code_errors(program))
    if os.getuid() == 0:
        errors.append("the image runs as root")
    sys.stdout.write(f"runs as user {os.getuid()}\n")
    if program != "backend":
        errors += [*kernel_errors(), *rendering_errors()]
    for module in ("processor.__main__",) if program == "processor" else ("backend.__main__", "backend.app"):
        importlib.import_module(module)
    for error in errors:
        sys.stderr.write(f"{error}\n")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
