"""Finds the tests that need a server or a browser, so that `make test-fast` can leave them out.

The mark follows from the code that a test reaches, not from the name of its file, so a test that moves keeps it.
The walk begins at the test function, its fixtures and its parameters. It follows names through the source of this
repository, production code included, and ends where a starter is named or the source ends. It reads code objects and
runs nothing. It marks some tests too many, such as one that names a helper without calling it. It misses what is
only reached through an attribute of an object, such as `self.runner.start()`, or through an import inside a function
of a module that nothing else has loaded. A test that starts something on such a path and takes long is marked `slow`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import multiprocessing
import os
import socketserver
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]

STARTERS: tuple[object, ...] = (
    *(subprocess.Popen, subprocess.run, subprocess.call, subprocess.check_call, subprocess.check_output),
    *(asyncio.create_subprocess_exec, asyncio.create_subprocess_shell, asyncio.start_server),
    *(multiprocessing.Process, multiprocessing.Pool, multiprocessing.get_context),
    *(os.fork, os.posix_spawn, os.posix_spawnp),
)
"""Functions and classes that start a process or a server; subclasses of `socketserver.BaseServer` count as well."""
_STARTER_IDS = frozenset(map(id, STARTERS))


def marks_of(items: Sequence[pytest.Function]) -> list[set[str]]:
    """Return for each test the marks, of `server` and `browser`, that its code calls for."""
    return marks_of_code([_code_of(item) for item in items])


def marks_of_code(starts: Sequence[Sequence[object]]) -> list[set[str]]:
    """Return for each group of functions and classes the marks that they and all code that they name call for."""
    things = {id(thing): thing for start in starts for thing in start}
    named_by: dict[int, list[int]] = defaultdict(list)
    marked: dict[int, set[str]] = defaultdict(set)
    waiting = list(things.values())
    while waiting:  # forwards, each object once
        thing = waiting.pop()
        if mark := _mark_of(thing):
            marked[id(thing)].add(mark)
            continue
        for other in _named_by(thing):
            named_by[id(other)].append(id(thing))
            if id(other) not in things:
                things[id(other)] = other  # holds it, so that its id stays its own
                waiting.append(other)
    spreading = list(marked)
    while spreading:  # and backwards, from what is marked to all that lead there
        found = spreading.pop()
        for place in named_by[found]:
            if not marked[found] <= marked[place]:
                marked[place] |= marked[found]
                spreading.append(place)
    return [set().union(*(marked[id(thing)] for thing in start if id(thing) in marked)) for start in starts]


def _code_of(item: pytest.Function) -> list[object]:
    """Return a test's function, those of its fixtures, and its parameters."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return [item.function, *(fixture.func for found in fixtures for fixture in found), *parameters]


def _mark_of(thing: object) -> str | None:
    """Return the mark of an object that starts a browser, a server or a process, or None."""
    if id(thing) in _STARTER_IDS or (isinstance(thing, type) and issubclass(thing, socketserver.BaseServer)):
        return "server"
    if isinstance(thing, type | FunctionType) and thing.__module__.startswith("playwright."):
        return "browser"
    return None


def _named_by(thing: object) -> Iterator[object]:
    """Yield the objects that a function, a class or a wrapper of either refers to."""
    if isinstance(thing, functools.partial):
        yield from (thing.func, *thing.args)
    elif isinstance(thing, MethodType | staticmethod | classmethod):
        yield thing.__func__
    elif isinstance(thing, property):
        yield thing.fget
    elif isinstance(thing, functools.cached_property):
        yield thing.func
    elif isinstance(thing, type):
        if _is_in_repository(getattr(sys.modules.get(thing.__module__), "__file__", None)):
            yield from thing.__bases__
            yield from vars(thing).values()
    elif isinstance(thing, FunctionType):
        if hasattr(thing, "__wrapped__"):
            yield inspect.unwrap(thing)
        if _is_in_repository(thing.__code__.co_filename):
            yield from _named_in_code(thing)


def _named_in_code(function: FunctionType) -> Iterator[object]:
    """Yield globals, attributes of modules, modules imported inside, the closure and the defaults of a function."""
    for code in _code_objects(function.__code__):
        for name in code.co_names:
            found = function.__globals__[name] if name in function.__globals__ else sys.modules.get(name)
            if isinstance(found, ModuleType):
                yield from (vars(found)[part] for part in code.co_names if part in vars(found))
            else:
                yield found
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    yield from function.__defaults__ or ()


def _code_objects(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those of the functions and classes defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_objects(constant)


def _is_in_repository(file: str | None) -> bool:
    """Return whether a source file belongs to this repository, whose folder may hold an environment as well."""
    return file is not None and file.startswith(f"{ROOT}/") and "/site-packages/" not in file
