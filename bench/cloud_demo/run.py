"""`python -m bench.cloud_demo.run [PATH]...`: the main job twice, over the imitated Google Cloud and over this disk.

First the real backend with a bucket and a job of Google Cloud, both imitated on 127.0.0.1 and spoken to by Google's
own clients; then the same photos with a folder and local tasks. What lies in the two buckets is compared, every
difference is named, and the last line says whether there are any. Exit code 1 if so.
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

from bench.cloud_demo.compare_buckets import Likeness, likeness
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket
from contract.machine import free_port
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import JobsServer, running_jobs_server
from emulators.cloud_storage.server import GcsProcess, gcs_process
from slideshow.client.local_backend import BackendProcess, kept_password
from slideshow.commands.demo import Stopped, ending_on_signals, main_job, photos_meant
from slideshow.formatting import counted

if TYPE_CHECKING:
    from rich.console import Console

    from slideshow.demo.report import PhotoLine

ROOT = Path(__file__).resolve().parents[2]
PROJECT, REGION, JOB, BUCKET = "a-project", "us-central1", "slideshow-processor", "photos-of-the-demo"
TOKEN, PASSWORD = "a-token-of-the-demo", "a-password-of-the-demo"
READERS = 4
# What a task of the job inherits of this machine: where programs, homes and compiled kernels lie.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_LIBRARY_PATH", "NUMBA", "VIRTUAL_ENV", "COVERAGE")


class Made(Struct, frozen=True, kw_only=True):
    """One way's main job: what became of each photo, and the seconds from the first upload to the last sidecar."""

    lines: Sequence[PhotoLine]
    seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--transport", type=click.Choice(("grpc", "rest")), default="grpc", show_default=True, help="How jobs are started."
)
def main(paths: tuple[Path, ...], transport: Literal["grpc", "rest"]) -> None:
    """Run the main job over an imitated Google Cloud and over this disk, and compare what they made.

    PATH is a folder, which is searched through, or a photo. Without any, twelve sample pictures are made.
    Everything happens on this machine, in a folder that is removed at the end; your photos are only read.
    """
    with ending_on_signals():
        try:
            alike = run(paths, transport)
        except Stopped as stopped:
            click.echo("stopped", err=True)
            sys.exit(128 + stopped.number)
    sys.exit(0 if alike else 1)


def run(paths: tuple[Path, ...], transport: Literal["grpc", "rest"]) -> bool:
    """Do and say all of it; whether both ways made the same."""
    from rich.console import Console

    told = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="slideshow-cloud-") as name:
        folder = Path(name)
        files = photos_meant(paths, folder, True, told).files
        told.print(f"{counted(len(files), 'photo')} over the imitated Google Cloud, the job by {transport}")
        with gcs_process(BUCKET) as imitation, emulator(imitation.url):
            cloud = over_cloud(folder / "cloud", files, imitation, transport, told)
            told.print(f"the same over this disk, after {cloud.seconds:.1f} s")
            disk = over_disk(folder / "disk", files, told)
            told.print("comparing the two buckets")
            buckets: list[Bucket] = [
                open_bucket(url, connections=READERS)
                for url in (f"gs://{BUCKET}", (folder / "disk" / "bucket").as_uri())
            ]
            found = likeness(*buckets)
    for one, other in zip(cloud.lines, disk.lines, strict=True):
        if _verdict(one) != _verdict(other):
            found.note("", f"{one.file}: {_state(one)} over Google Cloud, {_state(other)} over the disk")
    agreed = {_verdict(line) for line in disk.lines}
    for line in cloud.lines:
        if line.outcome in ("refused", "failed"):
            click.echo(f"{line.file}: {_state(line)}{', both ways' if _verdict(line) in agreed else ''}")
    for difference in found.differences:
        click.echo(difference)
    click.echo(verdict(found, cloud.seconds, disk.seconds))
    return not found.differences and found.same["variants"] > 0


def _verdict(line: PhotoLine) -> tuple[str, str, str]:
    """What both must agree on: a decoder's own words, in brackets, depend on how the bytes came."""
    return line.file, line.outcome, (line.reason or "").partition(" (")[0]


def _state(line: PhotoLine) -> str:
    return f"{line.outcome}{f' ({line.reason})' if line.reason else ''}"


def verdict(found: Likeness, cloud_seconds: float, disk_seconds: float) -> str:
    """The last line."""
    times = f"Google Cloud imitated {cloud_seconds:.1f} s, disk {disk_seconds:.1f} s"
    if found.differences:
        return f"NOT THE SAME: {counted(len(found.differences), 'difference')}, named above · {times}"
    if not found.same["variants"]:
        return f"NOTHING COMPARED: no photo was rendered · {times}"
    kinds = [f"{found.same[kind]} {kind}" for kind in ("variants", "thumbnails", "palettes", "histograms")]
    return (
        f"THE SAME: {counted(found.same['originals'], 'photo')}; {', '.join(kinds)} byte for byte as on disk; "
        f"{found.same['sidecars']} sidecars equal but for time, owner, seconds and address · {times}"
    )


@contextlib.contextmanager
def emulator(url: str) -> Iterator[None]:
    """Within, this process finds the imitated bucket where Google's libraries look for it."""
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = url
    try:
        yield
    finally:
        del os.environ["STORAGE_EMULATOR_HOST"]
        if before is not None:
            os.environ["STORAGE_EMULATOR_HOST"] = before


def over_cloud(
    data: Path, files: Sequence[Path], imitation: GcsProcess, transport: Literal["grpc", "rest"], told: Console
) -> Made:
    """The main job as it is deployed: a bucket and a job in the cloud, and a backend that is told of both.

    Raises RuntimeError if the tasks were not started by the job.
    """
    data.mkdir()
    port = free_port()
    where = {"BUCKET_URL": f"gs://{BUCKET}", "STORAGE_EMULATOR_HOST": imitation.url}
    address = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
    definition = JobDefinition(
        command=[sys.executable, "-m", "processor"],
        environment={**inherited, **where, "BACKEND_API_URL": address},
        secrets={"BACKEND_AUTH_TOKEN": TOKEN},
        tasks=10,  # as deployed by deploy/cloudbuild.processor.yaml
        folder=str(ROOT),
    )
    full_name = f"projects/{PROJECT}/locations/{REGION}/jobs/{JOB}"
    with (data / "tasks.log").open("ab") as log, running_jobs_server(full_name, definition, output=log) as jobs:
        settings = {
            **where,
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
        backend = BackendProcess(data, os.environ, settings)
        try:
            made = _made(backend, PASSWORD, files, told)
        finally:
            backend.stop()
        told.print(executed(jobs), markup=False)
    return made


def executed(jobs: JobsServer) -> str:
    """What the job was asked for, in words. Raises RuntimeError if nothing of it ended well."""
    done = jobs.model.executions
    if not done or any(execution.failure for execution in done):
        raise RuntimeError(f"the job did not do the work: {[execution.failure for execution in done]}")
    tasks = sum(len(execution.attempts) for execution in done)
    return f"the job was executed {len(done)} times, with {counted(tasks, 'task')} in all"


def over_disk(data: Path, files: Sequence[Path], told: Console) -> Made:
    """The main job as it runs with nothing but Python: a folder, and tasks as processes of the backend."""
    data.mkdir()
    backend = BackendProcess(data, os.environ)
    try:
        return _made(backend, kept_password(data), files, told)
    finally:
        backend.stop()


def _made(backend: BackendProcess, password: str, files: Sequence[Path], told: Console) -> Made:
    began = time.monotonic()
    _, lines, _ = main_job(backend, password, files, told)
    return Made(lines=lines, seconds=time.monotonic() - began)


if __name__ == "__main__":
    main()
