"""`GET next` over 32 connections, compared in each round with a bare Falcon handler that returns the same bytes.

The library is as large as a household's and the photos are small: the case measures a request through the backend, from
the token to the response. With an interval every request returns the same entry. Without one each request advances the
frame, and the response is sent after the new position is durable.
"""

from __future__ import annotations

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
from bench.system.many_requests import Load, ask
from bench.system.photos import small_photos
from bench.system.rounds import whole_system
from contract.messages.devices import DeviceBody
from slideshow.errors import CommandFailed

NAME = "frames"
SUMMARY = "`GET next` over 32 connections: requests per second and p99, compared with a bare Falcon handler"

CONNECTIONS = 32
SECONDS = 4.0
PHOTOS = 300
MIN_SHARE = 0.4
INTERVAL_SECONDS = 600
DEVICES = {"next, with an interval": "timed", "next, unchanged (304)": "timed", "next, without an interval": "plain"}
BARE = "bare Falcon handler"


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure the bare handler and each form of `next` in every round."""
    photos = small_photos(PHOTOS, context.scratch / "photos", context.seed)
    loads_by_name: dict[str, list[Load]] = {name: [] for name in (BARE, *DEVICES)}
    with MeasuredBackend(context.scratch / "data", settings={**HELD_BACK}) as backend:
        tokens = {}
        for name, interval in (("timed", INTERVAL_SECONDS), ("plain", 0)):
            body = DeviceBody(name=name, width=160, height=96, pairing=False, interval=interval)
            tokens[name] = backend.client.save_device(body).token
        backend.upload(photos)
        backend.client.flush()
        backend.wait(PHOTOS, lambda done: context.report(f"{done} of {PHOTOS} photos rendered"))
        backend.wait_for_archive()
        headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
        body_file, etag = context.scratch / "body.json", _save_response(backend, headers["timed"], context.scratch)
        with bare_server(body_file) as bare:
            for name in tokens:  # warm-up
                ask(f"{backend.url}/api/devices/{name}/next", headers[name], connections=CONNECTIONS, seconds=SECONDS)
            for number in range(context.rounds):
                for name, loads in loads_by_name.items():
                    url, sent = bare, {}
                    if name != BARE:
                        url, sent = f"{backend.url}/api/devices/{DEVICES[name]}/next", headers[DEVICES[name]]
                    if "304" in name:
                        sent = {**sent, "If-None-Match": etag}
                    load = ask(url, sent, connections=CONNECTIONS, seconds=SECONDS)
                    loads.append(load)
                    context.report(
                        f"round {number + 1}, {name}: {load.rate:,.0f} per second, "
                        f"p99 {load.percentile(0.99) * 1e3:.1f} ms"
                    )
    return _result(loads_by_name)


def _save_response(backend: MeasuredBackend, headers: dict[str, str], folder: Path) -> str:
    """Save the body of a response as `body.json` for the bare handler, and return its ETag."""
    import httpx

    answer = httpx.get(f"{backend.url}/api/devices/timed/next", headers=headers, trust_env=False)
    answer.raise_for_status()
    (folder / "body.json").write_bytes(answer.content)
    return str(answer.headers["etag"])


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
    shares = {
        name: statistics.median(load.rate / bare.rate for load, bare in zip(loads, measured[BARE], strict=True))
        for name, loads in measured.items()
        if name != BARE
    }
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
        facts=facts | {f"{name}: share of the bare handler": share for name, share in shares.items()},
        checks=tuple(
            at_least(f"{name}: requests a second, as a share of the bare handler's", share, MIN_SHARE)
            for name, share in shares.items()
        ),
        remarks=(
            "Time per response at full load: all seconds divided by all responses, over 32 connections.",
            "One process on the same machine sends the requests, and uses a part of the CPUs.",
        ),
    )
