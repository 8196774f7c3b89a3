"""Same results in other processes, on other processors and without compilation; and no kernel is compiled twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from native import jit, warm_up
from native.cache_folder import KernelFolder, sources_digest
from native.jit import X86_TARGET_FEATURES, portable_target
from tests.native.digest import digest, pictures
from tests.native.processes import (
    ABOUT_COMPILATION,
    HERE,
    NO_SAMPLES,
    ROOT,
    digest_of,
    environment_for,
    run,
)

pytestmark = pytest.mark.server

SCENES = "2"
"""Argument of `digest.py` that gives the digest `expected`."""
compiled_only = pytest.mark.skipif(not jit.COMPILES, reason=ABOUT_COMPILATION)


@pytest.fixture(scope="module")
def expected() -> str:
    return digest(pictures(int(SCENES)))


@compiled_only
def test_digest_without_compilation_is_equal(expected: str) -> None:
    assert digest_of(SCENES, NUMBA_DISABLE_JIT="1") == expected


def test_digest_of_another_process_is_equal(expected: str) -> None:
    assert digest_of(SCENES) == expected


@pytest.mark.long
def test_digests_of_ten_processes_are_equal(expected: str) -> None:
    assert {digest_of(SCENES) for _ in range(10)} == {expected}


@compiled_only
@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("target", ["host", "generic", "x86-64-v4"])
def test_digest_for_another_target_is_equal(target: str, tmp_path: Path, expected: str) -> None:
    assert digest_of(SCENES, timeout=390, NUMBA_CACHE_DIR=str(tmp_path), **environment_for(target)) == expected


def without_compilation(*arguments: str, timeout: float) -> str:
    """Run pytest on this folder without compilation; only tests about compilation may be skipped."""
    output = run(
        *("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *arguments),
        timeout=timeout,
        NUMBA_DISABLE_JIT="1",
    )
    reasons = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    assert " passed" in output
    assert [line for line in reasons if not line.endswith((ABOUT_COMPILATION, NO_SAMPLES))] == []
    return output


@compiled_only
@pytest.mark.long
def test_kernel_tests_pass_without_compilation() -> None:
    files = [str(HERE / f"test_native_{name}.py") for name in ("stages", "score")]
    without_compilation("-m", "not long", *files, timeout=110)


@compiled_only
@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_tests_pass_without_compilation() -> None:
    without_compilation("--timeout=600", str(HERE), timeout=880)


SECOND_START = """
import gc
import time
begin = time.perf_counter()
import numpy as np
import native
import native.jit
from numba.core import event
with event.install_recorder("numba:compile") as compiling:
    colours = native.quantize(np.full((9, 3), 200, np.uint8))
    native.score(colours)
assert [kernel.name for kernel in native.jit.KERNELS if kernel.compiled] == []
assert gc.isenabled()
assert gc.get_freeze_count() == 0
print(len(compiling.buffer), len(native.jit.KERNELS), time.perf_counter() - begin)
"""


def assert_second_start_loads(**variables: str) -> None:
    run("-m", "native.warm_up", "--quiet", **variables)
    events, kernels, seconds = run("-c", SECOND_START, **variables).split()
    assert int(events) == 0
    assert int(kernels) >= 4
    assert float(seconds) < 5.0  # 0.5 on an idle machine


@compiled_only
def test_second_start_compiles_nothing() -> None:
    assert_second_start_loads()


@compiled_only
@pytest.mark.long
@pytest.mark.timeout(400)
def test_filled_cache_folder_is_used_by_the_next_start(tmp_path: Path) -> None:
    assert "compiled" in run("-m", "native.warm_up", NUMBA_CACHE_DIR=str(tmp_path))
    assert_second_start_loads(NUMBA_CACHE_DIR=str(tmp_path))


@compiled_only
def test_warm_up_lists_every_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert warm_up.main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == len(jit.KERNELS)
    assert any("native.colour.kmeans.cluster: Tuple((int64[::1], int64[::1]))" in line for line in listed)
    assert warm_up.main(["--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_warm_up_without_compilation_reports_it() -> None:
    assert "compilation is disabled" in run("-m", "native.warm_up", NUMBA_DISABLE_JIT="1")


def test_portable_target_of_each_machine() -> None:
    everything = dict.fromkeys(X86_TARGET_FEATURES, True)
    assert portable_target("x86_64", everything) == "x86-64-v3"
    assert portable_target("AMD64", everything) == "x86-64-v3"
    assert portable_target("x86_64", everything | {"avx2": False}) is None
    assert portable_target("aarch64", {}) == portable_target("arm64", {}) == "generic"
    assert portable_target("riscv64", {}) is None


def test_host_without_the_target_logs_a_warning_and_works() -> None:
    output = run(
        "-c",
        "import logging, platform; logging.basicConfig(); platform.machine = lambda: 'riscv64'\n"
        "import sys; sys.stderr = sys.stdout; logging.basicConfig(force=True, stream=sys.stdout)\n"
        "import numpy as np, native; print(native.quantize(np.full((2, 3), 9, np.uint8)))",
        NUMBA_DISABLE_JIT="1",
    )
    assert "compiling for this processor instead" in output
    assert str({0xFF090909: 2}) in output


def test_importing_native_does_not_import_numba() -> None:
    run("-c", "import sys, native; assert 'numba' not in sys.modules")


@compiled_only
def test_cache_folder_falls_back_if_it_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from native import cache_folder

    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    monkeypatch.setattr(cache_folder.config, "CACHE_DIR", str(blocked))
    elsewhere = KernelFolder.from_function(warm_up.warm_up, str(ROOT / "native" / "warm_up.py"))
    assert elsewhere is not None
    assert elsewhere.get_cache_path() != str(blocked)
    monkeypatch.setattr(cache_folder.config, "CACHE_DIR", str(tmp_path / "new"))
    here = KernelFolder.from_function(warm_up.warm_up, str(ROOT / "native" / "warm_up.py"))
    assert here is not None
    assert here.get_cache_path() == str(tmp_path / "new")
    assert here.get_source_stamp() == sources_digest()
    foreign = KernelFolder.from_function(digest, str(HERE / "digest.py"))
    assert not isinstance(foreign, KernelFolder)
