"""Frames that ask `next` over 32 connections, beside a bare Falcon handler with the same bytes in the same round.

The library is as large as a household's, the photos small: what is measured is the way of a question through the
backend, from the token to the answer. With an interval every reader is told the same; without one each call moves
on, and is answered once that is durable.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.core.context import Context
from bench.core.results import CaseResult, Check, Sample, Series
from bench.system.backend import HELD_BACK, ROOT, MeasuredBackend
from bench.system.many_requests import Load, ask
from bench.system.photos import small_photos
from bench.system.preconditions import whole_system
from contract.messages.devices import DeviceBody
from slideshow.errors import CommandFailed

NAME = "frames"
SUMMARY = "`next` at 32 connections: requests a second and p99, beside a bare Falcon handler"

CONNECTIONS = 32
SECONDS = 4.0
PHOTOS = 300
MIN_SHARE = 0.4
INTERVAL_SECONDS = 600
ASKED = {"next, with an interval": "timed", "next, unchanged (304)": "timed", "next, without an interval": "plain"}
BARE = "bare Falcon handler"


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Ask in turn: the bare handler, then each form of `next`, and so round by round."""
    photos = small_photos(PHOTOS, context.scratch / "photos", context.seed)
    found: dict[str, list[Load]] = {name: [] for name in (BARE, *ASKED)}
    with MeasuredBackend(context.scratch / "data", settings={**HELD_BACK}) as backend:
        tokens = {}
        for name, interval in (("timed", INTERVAL_SECONDS), ("plain", 0)):
            body = DeviceBody(name=name, width=160, height=96, pairing=False, interval=interval)
            tokens[name] = backend.client.save_device(body).token
        backend.upload(photos)
        backend.client.flush()
        backend.wait(PHOTOS, lambda done: context.say(f"{done} of {PHOTOS} photos are ready"))
        backend.wait_for_archive()
        headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
        body_file, etag = context.scratch / "body.json", _kept_answer(backend, headers["timed"], context.scratch)
        with bare_server(body_file) as bare:
            for name in tokens:  # every entry is made once before anything is measured
                ask(f"{backend.url}/api/devices/{name}/next", headers[name], connections=CONNECTIONS, seconds=SECONDS)
            for number in range(context.rounds):
                for name, loads in found.items():
                    url, sent = bare, {}
                    if name != BARE:
                        url, sent = f"{backend.url}/api/devices/{ASKED[name]}/next", headers[ASKED[name]]
                    if "304" in name:
                        sent = {**sent, "If-None-Match": etag}
                    made = ask(url, sent, connections=CONNECTIONS, seconds=SECONDS)
                    loads.append(made)
                    told = f"{made.rate:,.0f} a second, p99 {made.percentile(0.99) * 1e3:.1f} ms"
                    context.say(f"round {number + 1}, {name}: {told}")
    return _result(found)


def _kept_answer(backend: MeasuredBackend, headers: dict[str, str], folder: Path) -> str:
    """Keep the bytes of an answer in `body.json`, for the bare handler; the answer's ETag."""
    import httpx

    answer = httpx.get(f"{backend.url}/api/devices/timed/next", headers=headers, trust_env=False)
    answer.raise_for_status()
    (folder / "body.json").write_bytes(answer.content)
    return str(answer.headers["etag"])


@contextlib.contextmanager
def bare_server(body: Path) -> Iterator[str]:
    """A bare handler that answers with this file's bytes; its address. Raises CommandFailed if it does not start."""
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
        time.sleep(0.3)  # until it serves what it listens for
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _result(found: dict[str, list[Load]]) -> CaseResult:
    shares = {
        name: statistics.median(one.rate / bare.rate for one, bare in zip(loads, found[BARE], strict=True))
        for name, loads in found.items()
        if name != BARE
    }
    facts = {}
    for name, loads in found.items():
        facts[f"{name}: requests a second"] = statistics.median(one.rate for one in loads)
        facts[f"{name}: median_ms"] = statistics.median(one.percentile(0.5) for one in loads) * 1e3
        facts[f"{name}: p99_ms"] = statistics.median(one.percentile(0.99) for one in loads) * 1e3
    series = tuple(
        Series(
            contender="floor" if name == BARE else "ours",
            subject=name,
            samples=tuple(
                Sample(
                    cpu_s=0.0,
                    wall_s=one.seconds / len(one.times),
                    extra={"p99_s": one.percentile(0.99), "requests_per_second": one.rate, "bytes": one.bytes_each},
                )
                for one in loads
            ),
        )
        for name, loads in found.items()
    )
    return CaseResult(
        case=NAME,
        series=series,
        facts=facts | {f"{name}: share of the bare handler": share for name, share in shares.items()},
        checks=tuple(
            Check(
                name=f"{name}: requests a second, as a share of the bare handler's",
                limit=f"at least {MIN_SHARE:g}",
                value=share,
                unit="times",
                holds=share >= MIN_SHARE,
            )
            for name, share in shares.items()
        ),
        remarks=(
            "Time is that of one answer at full load: all seconds divided by all answers, over 32 connections.",
            "The load comes from one process on the same machine, which takes its part of the processors.",
        ),
    )
