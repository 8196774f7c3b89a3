"""`python -m bench.cloud_demo.run [PATH]...`: the demo twice, against Google Cloud emulators and the local disk.

The first run has the real backend, a bucket and a job of Google Cloud, both emulated on 127.0.0.1 and called by
Google's own client libraries. The second run renders the same photos with a local folder and local tasks. The contents
of both buckets are compared, and every difference is listed. Exit code 1 if there is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from msgspec import Struct

from bench.cloud_demo.compare_buckets import Comparison, compare_buckets
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket
from contract.machine import free_port
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import JobsServer, running_jobs_server
from emulators.cloud_storage.server import GcsProcess, gcs_process
from slideshow.client.local_backend import BackendProcess, stored_password
from slideshow.commands.demo import LEASE, Stopped, demo_photos, handling_signals, upload_and_render
from slideshow.output import counted

if TYPE_CHECKING:
    from rich.console import Console

    from slideshow.demo.report import PhotoLine

ROOT = Path(__file__).resolve().parents[2]
PROJECT, REGION, JOB, BUCKET = "a-project", "us-central1", "slideshow-processor", "photos-of-the-demo"
TOKEN, PASSWORD = "a-token-of-the-demo-of-32-characters", "a-password-of-the-demo"
READERS = 4
# Prefixes of the variables that a task inherits: the locations of programs, homes and compiled kernels.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_LIBRARY_PATH", "NUMBA", "VIRTUAL_ENV", "COVERAGE")


class DemoRun(Struct, frozen=True, kw_only=True):
    """One run: the outcome for each photo, and the seconds from the first upload to the last imported sidecar."""

    lines: Sequence[PhotoLine]
    seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--transport",
    type=click.Choice(("grpc", "rest")),
    default="grpc",
    show_default=True,
    help="Protocol for starting jobs.",
)
def main(paths: tuple[Path, ...], transport: Literal["grpc", "rest"]) -> None:
    """Run the demo against Google Cloud emulators and against the local disk, and compare the output files.

    PATH is a folder or a photo. Without a PATH, twelve sample photos are generated. Everything runs on
    this machine, in a folder that is removed at the end. Your photos are only read.
    """
    with handling_signals():
        try:
            identical = run(paths, transport)
        except Stopped as stopped:
            click.echo("stopped", err=True)
            sys.exit(128 + stopped.number)
    sys.exit(0 if identical else 1)


def run(paths: tuple[Path, ...], transport: Literal["grpc", "rest"]) -> bool:
    """Run both demos, print the result, and return True if the outputs are identical."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="slideshow-cloud-") as name:
        folder = Path(name)
        files = demo_photos(paths, folder / "samples", True)
        console.print(f"{counted(len(files), 'photo')}: Google Cloud emulators, jobs started by {transport}")
        with gcs_process(BUCKET) as storage, storage_emulator(storage.url):
            cloud = over_cloud(folder / "cloud", files, storage, transport, console)
            console.print(f"done in {cloud.seconds:.1f} s; the same with the local disk")
            disk = over_disk(folder / "disk", files, console)
            console.print("comparing the two buckets")
            buckets: list[Bucket] = [
                open_bucket(url, connections=READERS)
                for url in (f"gs://{BUCKET}", (folder / "disk" / "bucket").as_uri())
            ]
            result = compare_buckets(*buckets)
    for in_cloud, on_disk in zip(cloud.lines, disk.lines, strict=True):
        if _comparable(in_cloud) != _comparable(on_disk):
            result.add("", f"{in_cloud.file}: {_state(in_cloud)} with Google Cloud, {_state(on_disk)} with the disk")
    agreed = {_comparable(line) for line in disk.lines}
    for line in cloud.lines:
        if line.outcome in ("rejected", "failed"):
            click.echo(f"{line.file}: {_state(line)}{', in both runs' if _comparable(line) in agreed else ''}")
    for difference in result.differences:
        click.echo(difference)
    click.echo(verdict(result, cloud.seconds, disk.seconds))
    return not result.differences and result.same["variants"] > 0


def _comparable(line: PhotoLine) -> tuple[str, str, str]:
    """Return the part of an outcome that must be equal. A decoder's message, in brackets, may differ."""
    return line.file, line.outcome, (line.reason or "").partition(" (")[0]


def _state(line: PhotoLine) -> str:
    return f"{line.outcome}{f' ({line.reason})' if line.reason else ''}"


def verdict(result: Comparison, cloud_seconds: float, disk_seconds: float) -> str:
    """Return the last line of the output."""
    times = f"Google Cloud emulators {cloud_seconds:.1f} s, disk {disk_seconds:.1f} s"
    if result.differences:
        return f"DIFFERENT: {counted(len(result.differences), 'difference')}, listed above · {times}"
    if not result.same["variants"]:
        return f"NOTHING COMPARED: no photo was rendered · {times}"
    kinds = [f"{result.same[kind]} {kind}" for kind in ("variants", "thumbnails", "palettes", "histograms")]
    return (
        f"IDENTICAL: {counted(result.same['originals'], 'photo')}; {', '.join(kinds)} byte by byte; "
        f"{result.same['sidecars']} sidecars except time, owner, seconds and address · {times}"
    )


@contextlib.contextmanager
def storage_emulator(url: str) -> Iterator[None]:
    """Make this process use the emulated bucket, through the variable that Google's libraries read."""
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = url
    try:
        yield
    finally:
        del os.environ["STORAGE_EMULATOR_HOST"]
        if before is not None:
            os.environ["STORAGE_EMULATOR_HOST"] = before


def over_cloud(
    data: Path, files: Sequence[Path], storage: GcsProcess, transport: Literal["grpc", "rest"], console: Console
) -> DemoRun:
    """Run the demo as it is deployed: with a bucket and a job in the cloud.

    Raises:
        RuntimeError: The job did not execute the tasks.
    """
    data.mkdir()
    port = free_port()
    bucket = {"BUCKET_URL": f"gs://{BUCKET}", "STORAGE_EMULATOR_HOST": storage.url}
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
    definition = JobDefinition(
        command=[sys.executable, "-m", "processor"],
        environment={**inherited, **bucket, "BACKEND_API_URL": f"http://127.0.0.1:{port}"},
        secrets={"BACKEND_AUTH_TOKEN": TOKEN},
        tasks=10,  # as in deploy/cloudbuild.processor.yaml
        folder=str(ROOT),
    )
    full_name = f"projects/{PROJECT}/locations/{REGION}/jobs/{JOB}"
    with (data / "tasks.log").open("ab") as log, running_jobs_server(full_name, definition, output=log) as jobs:
        settings = {
            **bucket,
            "GCP_PROJECT_ID": PROJECT,
            "GCP_REGION": REGION,
            "PROCESSOR_JOB_NAME": JOB,
            "CLOUD_RUN_ENDPOINT": jobs.grpc_url if transport == "grpc" else jobs.rest_url,
            "DATABASE_URL": f"sqlite:///{data.absolute() / 'slideshow.db'}",
            "PROCESSOR_AUTH_TOKEN": TOKEN,
            "ADMIN_PASSWORD": PASSWORD,
            "HOST": "127.0.0.1",
            "PORT": str(port),
        }
        result = _run_demo(data, settings, files, console, PASSWORD)
        console.print(executed(jobs), markup=False)
    return result


def executed(jobs: JobsServer) -> str:
    """Return a sentence about the executions. Raises RuntimeError if there are none or one failed."""
    executions = jobs.model.executions
    if not executions or any(execution.failure for execution in executions):
        raise RuntimeError(f"the job did not do the work: {[execution.failure for execution in executions]}")
    tasks = sum(len(execution.attempts) for execution in executions)
    return f"the job was executed {len(executions)} times, with {counted(tasks, 'task')} in total"


def over_disk(data: Path, files: Sequence[Path], console: Console) -> DemoRun:
    """Run the demo with a local folder, and tasks as processes of the backend."""
    data.mkdir()
    return _run_demo(data, {}, files, console)


def _run_demo(
    data: Path, settings: dict[str, str], files: Sequence[Path], console: Console, password: str | None = None
) -> DemoRun:
    """Run the demo with these settings. Without a password, the generated one is used."""
    backend = BackendProcess(data, {**LEASE, **os.environ}, settings)
    try:
        began = time.monotonic()
        _, lines, _ = upload_and_render(backend, password or stored_password(data), files, console)
        return DemoRun(lines=lines, seconds=time.monotonic() - began)
    finally:
        backend.stop()


if __name__ == "__main__":
    main()
