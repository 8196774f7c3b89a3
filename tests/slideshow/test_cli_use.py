"""Help, and the messages for wrong usage."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from slideshow.__main__ import COMMANDS, main
from slideshow.commands.serve import password_hint


def run(*arguments: str, **options: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, list(arguments), **options)  # type: ignore[arg-type]
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.server
def test_help_lists_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys; sys.argv = ['slideshow', '--help']\n"
        "from slideshow.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'httpx', 'pyvips', 'numpy', 'rich', 'falcon', 'sqlalchemy', 'msgspec'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy), 'CODE', code)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True).stdout
    assert "HEAVY [] CODE 0" in shown
    for name, line in COMMANDS.items():
        assert f"  {name} " in shown
        assert line in " ".join(shown.split())


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), ["devices", "add"], ["devices", "list"]])
def test_help_of_each_command_prints_its_usage(command: list[str]) -> None:
    code, out, err = run(*command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")
    assert len(out.splitlines()) > 6


@pytest.mark.server
def test_the_module_is_the_same_program() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "slideshow", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert shown.stdout.startswith("photo-slideshow ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["dance"], "No such command 'dance'"),
        (["demo", "/there/is/no/such/path"], "does not exist"),
        (["demo", "--jsn"], "No such option"),
        (["upload"], "Missing argument"),
        (["render", "."], "Missing option '--out'"),
        (["devices", "add", "kitchen", "large"], "'large' is not a size; write width and height in pixels"),
        (["devices", "add", "kitchen", "0x100"], "must be 1 to 8192 pixels"),
        (["devices", "add", "a/b", "10x100"], "without slash"),
        (["status", "--password-file", "/there/is/no/such/file"], "does not exist"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_sentence(arguments: list[str], sentence: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err


def test_folder_without_photos_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    for command in (
        ["demo", "--data", str(tmp_path / "data")],
        ["render", "--out", str(tmp_path / "out")],
        ["upload", "--data", str(tmp_path)],
    ):
        code, out, err = run(*command, str(tmp_path))
        assert (code, out) == (2, "")
        assert "no photos in" in err


def test_folder_without_photos_lists_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/made.jpg").write_bytes(b"")
    code, _, err = run("render", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert f"left out: 1 image in the output folder {tmp_path / 'out'} and 1 hidden file or folder." in err
    (tmp_path / "out/made.jpg").unlink()
    (tmp_path / ".trash").mkdir()
    for command in (["upload"], ["demo", "--data", str(tmp_path / "data")]):
        code, _, err = run(*command, str(tmp_path))
        assert code == 2
        assert "left out: 2 hidden files or folders." in err


def test_commands_without_a_backend_fail_with_a_sentence(tmp_path: Path) -> None:
    for command in (["status"], ["retry"], ["devices", "list"], ["devices", "remove", "kitchen"]):
        code, out, err = run(*command, "--data", str(tmp_path))
        assert (code, out) == (1, "")
        assert f"no backend runs in {tmp_path}" in err


def test_status_without_a_backend_prints_the_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLIDESHOW_DATA", raising=False)
    code, _, err = run("status")
    assert code == 1
    assert f"no backend runs in {tmp_path / '.slideshow'};" in err


def test_status_of_a_dead_or_invalid_address_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    command = ["status", "--password-file", str(tmp_path / "password"), "--url"]
    code, _, err = run(*command, "http://127.0.0.1:9")
    assert code == 1
    assert "http://127.0.0.1:9 does not answer" in err
    for wrong in ("photos.example.org", "ftp://photos.example.org", "http://host:port"):
        code, _, err = run(*command, wrong)
        assert code == 2
        assert "is not an address" in err


@pytest.mark.server
def test_command_without_a_backend_asks_for_no_password(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    terminal, theirs = os.openpty()
    try:
        shown = subprocess.run(
            [sys.executable, "-m", "slideshow", "upload", str(tmp_path), "--url", "http://127.0.0.1:9"],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(theirs)
    assert shown.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in shown.stderr
    assert "Password" not in shown.stderr


def test_status_without_a_password_fails(tmp_path: Path) -> None:
    code, _, err = run("status", "--url", "http://127.0.0.1:9")
    assert code == 1
    assert "pass it with --password-file" in err
    (tmp_path / "password").write_text("\n")
    code, _, err = run("status", "--url", "http://127.0.0.1:9", "--password-file", str(tmp_path / "password"))
    assert code == 1
    assert "contains no password" in err


def test_serve_with_invalid_settings_exits_with_2(tmp_path: Path) -> None:
    code, out, _ = run("serve", "--data", str(tmp_path / "data"), env={"BATCH_SIZE": "many", "LEASE_SECONDS": "-1"})
    assert (code, out) == (2, "")


def test_password_hint_is_for_generated_passwords_only(tmp_path: Path) -> None:
    embedded = {"SLIDESHOW_DATA": str(tmp_path)}
    assert password_hint(embedded) == f"the password is in {tmp_path / 'secrets.json'}"
    assert password_hint({**embedded, "ADMIN_PASSWORD": "a-password-of-their-own"}) is None
    secrets = {"ADMIN_PASSWORD": "a-password-of-their-own", "PROCESSOR_AUTH_TOKEN": "t" * 43}
    assert password_hint({**secrets, "BUCKET_URL": "gs://my-photos"}) is None
    assert password_hint({**embedded, "BATCH_SIZE": "many"}) is None


@pytest.mark.server
def test_serve_says_it_before_it_serves(tmp_path: Path) -> None:
    """A port that is taken ends the backend at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = subprocess.run(
            [sys.executable, "-m", "slideshow", "serve", "--data", str(tmp_path / "d"), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "ADMIN_PASSWORD"},
        )
    assert shown.returncode == 1
    assert f"the password is in {tmp_path / 'd/secrets.json'}" in shown.stderr
    assert (tmp_path / "d/secrets.json").exists()
