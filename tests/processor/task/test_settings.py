"""Settings of a task: all problems at once, and no secret in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import logs
from processor import __main__ as entry
from processor.pool.memory_budget import ORIGINAL_LIMIT_BYTES, PROCESS_BASE_BYTES, shares_of
from processor.render.limits import DEFAULT_LIMITS, Limits
from processor.settings import MEBIBYTE, SettingsError, container_memory, from_environment, usable_cpus

GOOD = {
    "BUCKET_URL": "file:///tmp/bucket",
    "BACKEND_API_URL": "http://127.0.0.1:8080/",
    "BACKEND_AUTH_TOKEN": "  a-long-token\n",
}


def test_settings_by_hand_need_three_variables() -> None:
    settings = from_environment(GOOD)
    assert settings.token == "a-long-token"
    assert settings.backend_url == "http://127.0.0.1:8080"
    assert settings.owner == "by-hand/0"
    assert (settings.task_count, settings.task_attempt, settings.timeout_seconds) == (1, 0, 900.0)
    assert settings.render_threads == usable_cpus()
    assert settings.limits == DEFAULT_LIMITS == Limits(max_pixels=110_000_000, max_progressive_pixels=50_000_000)
    assert settings.parent_pid is None


def test_settings_all_variables_are_read() -> None:
    settings = from_environment(
        {
            "GCS_BUCKET_NAME": "my-photos",
            "BACKEND_API_URL": "https://backend.example/base",
            "BACKEND_AUTH_TOKEN": "a-long-token",
            "CLOUD_RUN_JOB": "job",
            "CLOUD_RUN_EXECUTION": "run-7",
            "CLOUD_RUN_TASK_INDEX": "3",
            "CLOUD_RUN_TASK_COUNT": "4",
            "CLOUD_RUN_TASK_ATTEMPT": "2",
            "RENDER_THREADS": "6",
            "MEMORY_LIMIT_MIB": "2048",
            "MAX_MEGAPIXELS": "20",
            "MAX_PROGRESSIVE_MEGAPIXELS": "10",
            "TASK_TIMEOUT_SECONDS": "60.5",
            "BACKEND_RETRY_SECONDS": "5",
            "SLIDESHOW_PARENT_PID": "77",
        }
    )
    assert settings.bucket_url == "gs://my-photos"
    assert settings.owner == "run-7/3"
    assert settings.memory_limit == 2048 * MEBIBYTE
    assert settings.limits == Limits(max_pixels=20_000_000, max_progressive_pixels=10_000_000)
    assert (settings.render_threads, settings.task_attempt, settings.parent_pid) == (6, 2, 77)
    assert (settings.timeout_seconds, settings.retry_seconds) == (60.5, 5.0)


def test_settings_bucket_url_takes_precedence() -> None:
    assert from_environment({**GOOD, "GCS_BUCKET_NAME": "other"}).bucket_url == "file:///tmp/bucket"


def test_settings_all_problems_are_reported_at_once() -> None:
    bad = {
        "BUCKET_URL": "ftp://x",
        "BACKEND_API_URL": "backend:8080",
        "BACKEND_AUTH_TOKEN": " \n",
        "CLOUD_RUN_TASK_INDEX": "-1",
        "CLOUD_RUN_TASK_COUNT": "many",
        "CLOUD_RUN_TASK_ATTEMPT": "1.5",
        "CLOUD_RUN_EXECUTION": "a b",
        "RENDER_THREADS": "0",
        "MEMORY_LIMIT_MIB": "10",
        "MAX_MEGAPIXELS": "0",
        "MAX_PROGRESSIVE_MEGAPIXELS": "0.5",
        "TASK_TIMEOUT_SECONDS": "soon",
        "SLIDESHOW_PARENT_PID": "x",
    }
    with pytest.raises(SettingsError) as caught:
        from_environment(bad)
    assert len(caught.value.problems) == len(bad)
    for name, problem in zip(sorted(bad), sorted(caught.value.problems), strict=True):
        assert problem.startswith(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUCKET_URL", "gs://Not A Name"),
        ("BUCKET_URL", "file://relative"),
        ("BACKEND_API_URL", "http://user:secret@host"),
        ("BACKEND_API_URL", "http://host/?query=1"),
        ("BACKEND_API_URL", "http://host:0"),
        ("BACKEND_API_URL", "http://host:99999"),
        ("BACKEND_API_URL", "ftp://host"),
        ("CLOUD_RUN_TASK_INDEX", "1"),
    ],
)
def test_settings_single_problem_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({**GOOD, name: value})
    assert [problem.split()[0] for problem in caught.value.problems] == [name]


def test_settings_missing_or_bad_bucket_is_reported() -> None:
    without = {key: value for key, value in GOOD.items() if key != "BUCKET_URL"}
    with pytest.raises(SettingsError, match=r"BUCKET_URL .* or GCS_BUCKET_NAME"):
        from_environment(without)
    with pytest.raises(SettingsError, match="GCS_BUCKET_NAME must be"):
        from_environment({**without, "GCS_BUCKET_NAME": "UPPER"})


def test_settings_malformed_token_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({**GOOD, "BACKEND_AUTH_TOKEN": "hidden words"})
    assert "hidden" not in str(caught.value)
    assert "a-long-token" not in repr(from_environment(GOOD))


def test_main_invalid_settings_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main({"BACKEND_API_URL": "nowhere"}) == 2
    log = capsys.readouterr().err
    assert "BACKEND_API_URL" in log
    assert "BACKEND_AUTH_TOKEN" in log
    assert "BUCKET_URL" in log
    logs.set_up()


def test_container_memory_returns_the_first_limit(tmp_path: Path) -> None:
    missing, unlimited, real = tmp_path / "missing", tmp_path / "unlimited", tmp_path / "real"
    unlimited.write_text("max\n")
    real.write_text(f"{300 * MEBIBYTE}\n")
    assert container_memory((missing, unlimited, real)) == 300 * MEBIBYTE
    real.write_text("9223372036854771712")
    assert container_memory((missing, unlimited, real)) == 1024 * MEBIBYTE


@pytest.mark.parametrize("mebibytes", [384, 512, 1024, 4096])
def test_shares_of_stay_within_the_limit(mebibytes: int) -> None:
    shares = shares_of(mebibytes * MEBIBYTE)
    assert shares.originals >= ORIGINAL_LIMIT_BYTES
    assert sum(shares) + PROCESS_BASE_BYTES <= mebibytes * MEBIBYTE
