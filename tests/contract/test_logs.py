"""Log lines: JSON objects on Cloud Run, text elsewhere, and no secret in either."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from contract import logs

SECRET = "s3cret-token-of-the-tests"


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(logs, "_redacted", ())
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("environ", [{"K_SERVICE": "s"}, {"CLOUD_RUN_JOB": "j"}])
def test_cloud_run_lines_are_json_objects(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(environ)
    logging.getLogger("backend.x").warning(
        "two\nlines of %s", "it", extra={"fields": {"image": "abc", "severity": "x", "odd": object}}
    )
    (line,) = lines(capsys)
    entry = json.loads(line)
    assert entry["severity"] == "WARNING"
    assert entry["message"] == "two\nlines of it"
    assert entry["logger"] == "backend.x"
    assert entry["image"] == "abc"
    assert entry["odd"] == str(object)
    assert entry["time"].endswith("Z")


def test_json_line_contains_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up({"K_SERVICE": "s"})
    try:
        raise ValueError("what went wrong")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    (line,) = lines(capsys)
    message = json.loads(line)["message"]
    assert message.startswith("it failed\nTraceback")
    assert message.endswith("ValueError: what went wrong")


@pytest.mark.parametrize("environ", [{}, {"CLOUD_RUN_JOB": "j", "SLIDESHOW_LOCAL_TASK": "1"}])
def test_terminal_lines_are_text(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(environ)
    logging.getLogger("x").info("hello %d", 7, extra={"fields": {"image": "abc"}})
    logging.getLogger("x").debug("not shown")
    (line,) = lines(capsys)
    assert line.endswith("info    hello 7 image=abc")
    assert line[2] == line[5] == ":"


def test_text_line_contains_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up({})
    try:
        raise ValueError(f"no {SECRET}")
    except ValueError:
        logs.redact(SECRET)
        logging.getLogger("x").exception("it failed")
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "ValueError: no [redacted]" in shown


HOSTILE_SECRETS = [SECRET, 'quote"inside', "back\\slash\\inside", "ümläut-geheim", "tab\tinside-it", "slash/and</b>"]


@pytest.mark.parametrize("secret", HOSTILE_SECRETS)
@pytest.mark.parametrize("environ", [{}, {"K_SERVICE": "s"}])
def test_redact_hides_every_encoding(secret: str, environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    logs.redact(secret)
    logs.set_up(environ)
    logging.getLogger("x").info("a %s b", secret, extra={"fields": {"header": f"Bearer {secret}", "deep": [secret]}})
    (line,) = lines(capsys)
    assert secret not in line
    assert json.dumps(secret)[1:-1] not in line
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in line
    assert line.count("[redacted]") == 3
    if environ:
        assert json.loads(line)["message"] == "a [redacted] b"


def test_secret_contained_in_a_longer_one_is_redacted_completely(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up({})
    for end in ("", "-tail-one", "-tail-one-two"):
        logs.redact(SECRET + end)
    logging.getLogger("x").info("%s", SECRET + "-tail-one-two")
    (line,) = lines(capsys)
    assert line.endswith("info    [redacted]")


def test_redact_ignores_short_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.redact("")
    logs.redact("image")
    logs.set_up({})
    logging.getLogger("x").info("the image")
    assert lines(capsys)[0].endswith("the image")


@pytest.mark.parametrize("environ", [{}, {"K_SERVICE": "s"}])
def test_lone_surrogates_in_names_are_logged(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(environ)
    logging.getLogger("x").error("cannot read %s", "holiday-\udcff.jpg", extra={"fields": {"file": "\udc80"}})
    (line,) = lines(capsys)
    assert "cannot read holiday-" in line


def test_info_lines_of_libraries_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up({})
    logging.getLogger("httpx").info("chatter")
    logging.getLogger("httpx").warning("trouble")
    assert [line.split("  ")[-1].split()[-1] for line in lines(capsys)] == ["trouble"]


def test_lines_go_to_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up({})
    logging.getLogger("x").info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("hello\n")
