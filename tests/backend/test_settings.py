"""Settings: all problems at once, descriptions, hidden secrets; and the files of embedded mode."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from backend.database import Database
from backend.embedded import bind_socket, load_secrets, save_port
from backend.settings import SECRETS, Settings, SettingsError, describe, read_settings

ROOT = Path(__file__).resolve().parents[2]
CLOUD = {
    "GCS_BUCKET_NAME": "photos",
    "PROCESSOR_AUTH_TOKEN": "token-of-tests-of-32-characters-",
    "ADMIN_PASSWORD": "password-of-tests",
}
FIELDS = [field.name for field in msgspec.structs.fields(Settings)]


def problems_of(environ: dict[str, str]) -> list[str]:
    """Return the problems of an environment."""
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return caught.value.problems


def test_read_settings_empty_environment_gives_embedded_defaults() -> None:
    made = read_settings({})
    assert made.embedded
    assert (made.batch_size, made.flush_delay_seconds, made.max_tasks) == (50, 30.0, 10)
    assert (made.task_timeout_seconds, made.task_retries, made.lease_seconds) == (900.0, 3, 60.0)
    assert (made.upload_limit_mib, made.max_megapixels, made.max_progressive_megapixels) == (30, 110, 50)
    assert (made.gcp_region, made.processor_job_name) == ("us-central1", "slideshow-processor")
    assert made.device_auth == "required"
    assert made.database_durable is None
    assert made.bucket == (Path.cwd() / ".slideshow" / "bucket").as_uri()
    assert str(made.database) == f"sqlite:///{Path.cwd() / '.slideshow' / 'slideshow.db'}"


def test_read_settings_reads_each_variable() -> None:
    given = {
        **CLOUD,
        "SLIDESHOW_DATA": "/data",
        "DATABASE_URL": "postgresql://h/d",
        "DATABASE_DURABLE": "true",
        "BACKEND_API_URL": "http://b",
        "PROCESSOR_AUTH_TOKEN_PREVIOUS": "older-token",
        "METRICS_TOKEN": "metrics-token-of-32-characters--",
        "DEVICE_AUTH": "open",
        "PORT": "9000",
        "BATCH_SIZE": "7",
        "FLUSH_DELAY_SECONDS": "1.5",
        "TICK_SECONDS": "0",
        "TASK_RETRIES": "0",
    }
    made = read_settings(given)
    for variable, text in given.items():
        value = getattr(made, variable.lower())
        assert value == msgspec.convert(text, type(value), strict=False), variable
    assert not made.embedded
    assert made.bucket == "gs://photos"


@pytest.mark.parametrize(
    ("environ", "embedded", "bucket"),
    [
        ({"BUCKET_URL": "file:///elsewhere/"}, True, "file:///elsewhere"),
        ({**CLOUD, "BUCKET_URL": "gs://other"}, False, "gs://other"),
        ({**CLOUD, "BUCKET_URL": "file:///elsewhere"}, False, "file:///elsewhere"),
        ({**CLOUD, "GCS_BUCKET_NAME": "", "BUCKET_URL": "gs://other/"}, False, "gs://other"),
    ],
)
def test_settings_bucket_and_embedded_follow_from_the_variables(
    environ: dict[str, str], embedded: bool, bucket: str
) -> None:
    made = read_settings(environ)
    assert (made.embedded, made.bucket) == (embedded, bucket)


def test_read_settings_reports_all_problems_at_once() -> None:
    problems = problems_of(
        {
            "BUCKET_URL": "s3://wrong",
            "GCS_BUCKET_NAME": "photos",
            "PORT": "70000",
            "BATCH_SIZE": "many",
            "DEVICE_AUTH": "maybe",
            "FLUSH_DELAY_SECONDS": "nan",
            "TASK_RETRIES": "11",
            "LEASE_SECONDS": "0",
            "DATABASE_DURABLE": "perhaps",
            "PUBLIC_URL": "photos.example",
            "TRUSTED_PROXIES": "127.0.0.1 nginx",
            "CONNECTIONS_PER_ADDRESS": "-1",
        }
    )
    variables = [problem.split(":")[0] for problem in problems]
    assert sorted(variables) == sorted(
        [
            "BUCKET_URL",
            "PORT",
            "BATCH_SIZE",
            "DEVICE_AUTH",
            "FLUSH_DELAY_SECONDS",
            "TASK_RETRIES",
            "LEASE_SECONDS",
            "DATABASE_DURABLE",
            "PUBLIC_URL",
            "TRUSTED_PROXIES",
            "CONNECTIONS_PER_ADDRESS",
            "PROCESSOR_AUTH_TOKEN",
            "ADMIN_PASSWORD",
        ]
    )
    assert all(problem.endswith(".") for problem in problems)
    assert next(f for f in problems if f.startswith("BATCH_SIZE")) == (
        "BATCH_SIZE: invalid value 'many' (Expected `int`, got `str`). "
        "Meaning: Number of pending images that starts an execution."
    )


@pytest.mark.parametrize("name", FIELDS)
def test_describe_every_setting_is_a_sentence(name: str) -> None:
    text = describe(name)
    assert len(text) > 8
    assert text.endswith(".")
    assert "|" not in text, "docs/settings.md shows it in a table"


def test_describe_unknown_setting_raises_key_error() -> None:
    with pytest.raises(KeyError):
        describe("no_such_setting")


@pytest.mark.parametrize("name", ["processor_auth_token", "admin_password"])
@pytest.mark.parametrize("text", [None, "", " ", "\n", "\t \r\n"])
def test_read_settings_empty_secret_is_missing(name: str, text: str | None) -> None:
    environ = {variable: value for variable, value in CLOUD.items() if variable != name.upper()}
    if text is not None:
        environ[name.upper()] = text
    (problem,) = problems_of(environ)
    assert problem.startswith(f"{name.upper()}: missing")


@pytest.mark.parametrize("name", SECRETS)
def test_read_settings_strips_secrets(name: str) -> None:
    secret = "s3cret word " * 3 + "."
    assert getattr(read_settings({**CLOUD, name.upper(): f"  {secret}\n"}), name) == secret


def test_secrets_lists_every_secret() -> None:
    assert {name for name in FIELDS if "token" in name or "password" in name} == set(SECRETS)


def test_read_settings_problems_contain_no_secret() -> None:
    environ = {**CLOUD, "PORT": "x", "ADMIN_PASSWORD": "hidden-password", "PROCESSOR_AUTH_TOKEN": "hidden-token"}
    assert "hidden" not in " ".join(problems_of(environ))


@pytest.mark.server
def test_main_invalid_settings_prints_all_problems_and_returns_2(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "SLIDESHOW_DATA": str(tmp_path / "data"),
        "PORT": "x",
        "BATCH_SIZE": "0",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "backend"],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["PORT", "BATCH_SIZE"]
    assert not (tmp_path / "data").exists()


# --- the data folder of embedded mode -------------------------------------------------------------------


def test_load_secrets_generates_once_and_only_the_owner_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    first = load_secrets(folder)
    assert load_secrets(folder) == first
    assert len(first.processor_token) >= 32
    assert len(first.admin_password) >= 15
    assert stat.S_IMODE((folder / "secrets.json").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secrets.json"]
    assert load_secrets(tmp_path / "other").processor_token != first.processor_token


def test_load_secrets_concurrently_returns_the_same_secrets(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: load_secrets(tmp_path / "data"), range(16)))
    assert len({(kept.processor_token, kept.admin_password) for kept in found}) == 1


def test_save_port_keeps_the_secrets(tmp_path: Path) -> None:
    before = load_secrets(tmp_path)
    save_port(tmp_path, 4711)
    after = load_secrets(tmp_path)
    assert after.port == 4711
    assert (after.processor_token, after.admin_password) == (before.processor_token, before.admin_password)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b'{"processor_token": 7}', b"\xff"])
def test_load_secrets_damaged_file_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secrets.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"secrets\.json is damaged .* remove it"):
        load_secrets(tmp_path)
    assert (tmp_path / "secrets.json").read_bytes() == content


@pytest.mark.server
def test_bind_socket_uses_the_stored_port_if_it_is_free() -> None:
    with bind_socket("127.0.0.1", 0) as free:
        free.listen()
        taken = free.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bind_socket("127.0.0.1", taken)
        with bind_socket("127.0.0.1", 0, stored_port=taken) as another:
            assert another.getsockname()[1] not in (0, taken)
    with bind_socket("127.0.0.1", 0, stored_port=taken) as again:
        assert again.getsockname()[1] == taken
        assert again.family == socket.AF_INET


def test_settings_database_accepts_any_folder_name(tmp_path: Path) -> None:
    made = read_settings({"SLIDESHOW_DATA": str(tmp_path / "what? #1 100%")})
    database = Database(made.database)
    database.migrate()
    database.close()
    assert (tmp_path / "what? #1 100%" / "slideshow.db").is_file()
