"""Adds the marks by which `make test-fast` chooses its tests, and a Hypothesis profile for it."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests import lanes

settings.register_profile("fast", max_examples=20)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses among the tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = [item for item in items if isinstance(item, pytest.Function)]
    for test, marks in zip(tests, lanes.marks_of(tests), strict=True):
        for mark in sorted(marks):
            test.add_marker(mark)
