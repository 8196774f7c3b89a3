"""The marks `server` and `browser` follow from what a test's code reaches."""

from __future__ import annotations

import contextlib
import functools
import os
import socketserver
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import sync_playwright

from backend.jobs.local_runner import LocalRunner
from tests import lanes


def starts() -> int:
    return subprocess.run([sys.executable, "-V"], check=True).returncode


@contextlib.contextmanager
def running() -> Iterator[int]:
    yield starts()


class Helper:
    """Starts a process in one of its methods."""

    def call(self) -> int:
        return starts()


class Server(socketserver.TCPServer):
    """A server by inheritance."""


def by_helper() -> int:
    return starts()


def by_context_manager() -> None:
    with running():
        pass


def by_class() -> int:
    return Helper().call()


def by_subclass() -> type:
    class Inner(Helper):
        pass

    return Inner


def by_inner_function() -> Callable[[], int]:
    def inner() -> int:
        return starts()

    return inner


def by_import_inside() -> type:
    import multiprocessing

    return multiprocessing.Process


def by_default(start: Callable[[], int] = starts) -> int:
    return start()


def by_fork() -> int:
    return os.fork()


def by_server_class() -> type:
    return Server


def by_the_program() -> type:
    return LocalRunner


def with_page() -> object:
    return sync_playwright()


def plain() -> str:
    """Names modules that could start something, and starts nothing."""
    return f"{os.getpid()} {subprocess.DEVNULL} {sys.executable}"


@pytest.mark.parametrize(
    "function",
    [
        *(starts, by_helper, by_context_manager, by_class, by_subclass, by_inner_function, by_import_inside),
        *(by_default, by_fork, by_server_class, by_the_program, functools.partial(starts)),
    ],
)
def test_code_that_reaches_a_starter_is_marked(function: Callable[..., object]) -> None:
    assert lanes.marks_of_code([[function]]) == [{"server"}]


def test_code_that_reaches_a_browser_is_marked() -> None:
    assert lanes.marks_of_code([[with_page], [with_page, by_class]]) == [{"browser"}, {"browser", "server"}]


def test_other_code_is_not_marked() -> None:
    assert lanes.marks_of_code([[plain], [starts], [plain], [lanes]]) == [set(), {"server"}, set(), set()]


@pytest.fixture
def started() -> Iterator[int]:
    with running() as code:
        yield code


@pytest.fixture
def through_another(started: int) -> int:
    return started


def test_a_fixture_of_a_fixture_marks_its_tests(request: pytest.FixtureRequest, through_another: int) -> None:
    assert through_another == 0
    assert request.node.get_closest_marker("server")
    assert not request.node.get_closest_marker("browser")


@pytest.mark.parametrize("call", [starts, plain], ids=["starts", "plain"])
def test_a_parameter_marks_its_test(request: pytest.FixtureRequest, call: Callable[[], object]) -> None:
    assert bool(request.node.get_closest_marker("server")) == (call.__name__ == "starts")
