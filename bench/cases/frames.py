"""`GET next` over 32 connections and 8 devices, on SQLite and on PostgreSQL.

The library is as large as a household's, and its rows are synthetic: the case measures a request through the backend,
from the token to the response. With an interval every request returns the same entry. Without one each request advances
the frame, and the response is sent after the new position is durable. A bare Falcon handler that returns the same bytes
shows what the server alone takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.core.results import CaseResult, Sample, Series, at_least
from bench.core.runner import Context
from bench.system.backend import HELD_BACK, ROOT, MeasuredBackend
from bench.system.many_requests import Load, Target, ask
from bench.system.postgres import running_postgres
from bench.system.rounds import whole_system
from bench.system.synthetic_library import HEIGHT, WIDTH, fill, token_of
from contract.messages.devices import DeviceBody
from slideshow.errors import CommandFailed

NAME = "frames"
SUMMARY = "`GET next` over 32 connections and 8 devices, on SQLite and PostgreSQL: requests per second and p99"

CONNECTIONS = 32
FRAMES = 8
SECONDS = 4.0
PHOTOS = 300
INTERVAL_SECONDS = 31 * 86_400
MIN_RATES = {"next, without an interval": 300, "next, with an interval": 1000, "next, unchanged (304)": 2000}
"""Requests per second that a household with very many frames could send."""
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
BARE = "bare Falcon handler"


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure the bare handler and each form of `next` on both databases in every round."""
    loads: dict[str, list[Load]] = {}
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(DURABLE))
        urls = {
            "SQLite": f"sqlite:///{context.scratch / 'slideshow.db'}",
            "PostgreSQL": postgres.url(postgres.new_database()),
        }
        targets: dict[str, list[Target]] = {}
        for database, url in urls.items():
            context.report(f"storing {PHOTOS} photos in {database}")
            _fill(url, context.scratch / database)
            backend = MeasuredBackend(context.scratch / database, settings={**HELD_BACK, "DATABASE_URL": url})
            _add_targets(targets, database, stack.enter_context(backend).url)
        body = _save_response(targets["next, with an interval, SQLite"][0], context.scratch)
        targets = {BARE: [(stack.enter_context(bare_server(body)), {})], **targets}
        for number in range(context.rounds + 1):  # the first one is for warming up
            for name, asked in targets.items():
                load = ask(asked, connections=CONNECTIONS, seconds=SECONDS)
                if number:
                    loads.setdefault(name, []).append(load)
                context.report(f"round {number}, {name}: {load.rate:,.0f}/s, p99 {load.percentile(0.99) * 1e3:.1f} ms")
    return _result(loads)


def _fill(url: str, data: Path) -> None:
    from backend.database import Database

    database = Database(url)
    database.migrate()
    frames = [
        DeviceBody(name=f"{kind}-{number}", width=WIDTH, height=HEIGHT, pairing=False, interval=interval)
        for kind, interval in (("timed", INTERVAL_SECONDS), ("plain", 0))
        for number in range(FRAMES)
    ]
    asyncio.run(fill(database, (data / "bucket").as_uri(), PHOTOS, frames))
    database.close()


def _add_targets(targets: dict[str, list[Target]], database: str, url: str) -> None:
    import httpx

    for kind, name in (("plain", "next, without an interval"), ("timed", "next, with an interval")):
        asked = []
        for number in range(FRAMES):
            device = f"{kind}-{number}"
            asked.append((f"{url}/api/devices/{device}/next", {"Authorization": f"Bearer {token_of(device)}"}))
        targets[f"{name}, {database}"] = asked
    unchanged = []
    for address, headers in targets[f"next, with an interval, {database}"]:
        answer = httpx.get(address, headers=headers, trust_env=False)
        answer.raise_for_status()
        unchanged.append((address, {**headers, "If-None-Match": answer.headers["etag"]}))
    targets[f"next, unchanged (304), {database}"] = unchanged


def _save_response(target: Target, folder: Path) -> Path:
    """Save the body of a response as a file for the bare handler."""
    import httpx

    answer = httpx.get(target[0], headers=target[1], trust_env=False)
    answer.raise_for_status()
    body = folder / "body.json"
    body.write_bytes(answer.content)
    return body


@contextlib.contextmanager
def bare_server(body: Path) -> Iterator[str]:
    """Run a bare handler that returns the bytes of a file, and yield its address. Raises CommandFailed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.system.bare_server", str(body)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise CommandFailed("the bare server did not start")
        time.sleep(0.3)  # it listens, but does not serve yet
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _result(measured: dict[str, list[Load]]) -> CaseResult:
    facts = {}
    for name, loads in measured.items():
        facts[f"{name}: requests a second"] = statistics.median(load.rate for load in loads)
        facts[f"{name}: median_ms"] = statistics.median(load.percentile(0.5) for load in loads) * 1e3
        facts[f"{name}: p99_ms"] = statistics.median(load.percentile(0.99) for load in loads) * 1e3
    series = tuple(
        Series(
            contender="floor" if name == BARE else "ours",
            subject=name,
            samples=tuple(
                Sample(
                    cpu_s=0.0,
                    wall_s=load.seconds / len(load.times),
                    extra={"p99_s": load.percentile(0.99), "requests_per_second": load.rate, "bytes": load.bytes_each},
                )
                for load in loads
            ),
        )
        for name, loads in measured.items()
    )
    return CaseResult(
        case=NAME,
        series=series,
        facts=facts,
        checks=tuple(
            at_least(f"{name}: requests a second", facts[f"{name}: requests a second"], limit, "a second")
            for name in measured
            for prefix, limit in MIN_RATES.items()
            if name.startswith(prefix)
        ),
        remarks=(
            "Time per response at full load: all seconds divided by all responses, over 32 connections.",
            "One process on the same machine sends the requests, and PostgreSQL runs on it too; they use a part of the "
            "CPUs.",
        ),
    )
