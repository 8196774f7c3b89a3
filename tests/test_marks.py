"""The hook that fails unmarked tests which start a process or a server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest


def run_guarded(act: Callable[[], object], *marks: str) -> None:
    """Run `act` under the hook, as a test with these marks."""
    item: Any = SimpleNamespace(iter_markers=lambda name: (mark for mark in marks if mark == name))
    guard = conftest.fail_on_unmarked_start(item)
    next(guard)
    act()
    try:
        guard.send(None)
    except StopIteration:
        pass
    finally:
        conftest.started.clear()  # the hook observes this test as well


def bind() -> None:
    """Raise the audit event of a server's start, without one."""
    sys.audit("socket.bind", None, ("127.0.0.1", 0))


def test_hook_with_an_unmarked_start_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"socket\.bind.*mark it with @pytest\.mark\.server"):
        run_guarded(bind)


@pytest.mark.parametrize("mark", ["server", "browser"])
def test_hook_with_a_marked_start_passes(mark: str) -> None:
    run_guarded(bind, mark)


def test_hook_without_a_start_passes() -> None:
    run_guarded(lambda: sys.audit("socket.connect", None, ("127.0.0.1", 0)))
