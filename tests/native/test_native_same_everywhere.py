"""The same answers in other processes, for other processors, and without compilation; and nothing compiled twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from digest import digest

from native import jit, warm_up
from native.cache_folder import KernelFolder, sources_digest
from native.jit import X86_TARGET_FEATURES, portable_target

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SCENES = 2
compiled_only = pytest.mark.skipif(not jit.COMPILES, reason="about compilation")


def run(*command: str, timeout: float = 200, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    ended = subprocess.run(
        [sys.executable, *command],
        env=environment | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:] + ended.stdout[-3000:]
    return ended.stdout


def digest_of(**variables: str) -> str:
    return run(str(HERE / "digest.py"), str(SCENES), PYTHONPATH=str(ROOT), **variables)


@compiled_only
def test_without_compilation_the_answers_are_the_same() -> None:
    assert digest_of(NUMBA_DISABLE_JIT="1") == digest(SCENES)


@compiled_only
def test_another_process_agrees() -> None:
    assert digest_of() == digest(SCENES)


@compiled_only
@pytest.mark.long
def test_ten_processes_agree() -> None:
    assert {digest_of() for _ in range(10)} == {digest(SCENES)}


@compiled_only
@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("target", ["host", "generic", "x86-64-v4"])
def test_another_target_agrees(target: str, tmp_path: Path) -> None:
    from llvmlite import binding

    if target == "x86-64-v4" and not binding.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no AVX-512")
    chosen = binding.get_host_cpu_name() if target == "host" else target
    features = binding.get_host_cpu_features().flatten() if target == "host" else ""
    found = digest_of(NUMBA_CPU_NAME=chosen, NUMBA_CPU_FEATURES=features, NUMBA_CACHE_DIR=str(tmp_path))
    assert found == digest(SCENES)


@compiled_only
def test_the_suite_passes_without_compilation() -> None:
    files = [str(HERE / f"test_native_{name}.py") for name in ("stages", "quantize")]
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", *files, NUMBA_DISABLE_JIT="1")
    assert " passed" in said
    assert "failed" not in said


SECOND_START = """
import time
begin = time.perf_counter()
import numpy as np
import native
import native.jit
from numba.core import event
with event.install_recorder("numba:compile") as compiling:
    found = native.quantize(np.full((9, 3), 200, np.uint8))
    native.score(found)
assert [kernel.name for kernel in native.jit.KERNELS if kernel.compiled] == []
print(len(compiling.buffer), len(native.jit.KERNELS), time.perf_counter() - begin)
"""


def assert_second_start_loads(**variables: str) -> None:
    run("-m", "native.warm_up", "--quiet", **variables)
    events, kernels, seconds = run("-c", SECOND_START, **variables).split()
    assert int(events) == 0
    assert int(kernels) >= 5
    assert float(seconds) < 5.0  # 0.5 on an idle machine


@compiled_only
def test_a_second_start_compiles_nothing() -> None:
    assert_second_start_loads()


@compiled_only
@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_folder_that_is_filled_serves_the_next_start(tmp_path: Path) -> None:
    assert "compiled" in run("-m", "native.warm_up", NUMBA_CACHE_DIR=str(tmp_path))
    assert_second_start_loads(NUMBA_CACHE_DIR=str(tmp_path))


@compiled_only
def test_warm_up_lists_every_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert warm_up.main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == len(jit.KERNELS)
    assert any("native.kmeans.cluster: Tuple((int64[::1], int64[::1]))" in line for line in listed)
    assert warm_up.main(["--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_warm_up_without_compilation_says_so() -> None:
    assert "nothing is compiled" in run("-m", "native.warm_up", NUMBA_DISABLE_JIT="1")


def test_the_target() -> None:
    everything = dict.fromkeys(X86_TARGET_FEATURES, True)
    assert portable_target("x86_64", everything) == "x86-64-v3"
    assert portable_target("AMD64", everything) == "x86-64-v3"
    assert portable_target("x86_64", everything | {"avx2": False}) is None
    assert portable_target("aarch64", {}) == portable_target("arm64", {}) == "generic"
    assert portable_target("riscv64", {}) is None


def test_a_host_without_the_target_says_so_and_works() -> None:
    said = run(
        "-c",
        "import logging, platform; logging.basicConfig(); platform.machine = lambda: 'riscv64'\n"
        "import sys; sys.stderr = sys.stdout; logging.basicConfig(force=True, stream=sys.stdout)\n"
        "import numpy as np, native; print(native.quantize(np.full((2, 3), 9, np.uint8)))",
        NUMBA_DISABLE_JIT="1",
    )
    assert "compiled for this one alone" in said
    assert str({0xFF090909: 2}) in said


def test_importing_the_room_is_cheap() -> None:
    run("-c", "import sys, native; assert 'numba' not in sys.modules")


def test_kernels_are_kept_where_it_is_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from native import cache_folder

    if not jit.COMPILES:
        pytest.skip("about the cache")
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
