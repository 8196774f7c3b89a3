"""What a task is told by its environment: read once, checked as a whole, never changed.

Every fault is reported at once, each naming the variable and the form that it wants, so
that a deployment is put right in one go. Cloud Run sets the `CLOUD_RUN_*` variables
(https://cloud.google.com/run/docs/container-contract#jobs-env-vars); a task that is run
by hand does without them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from contract.machine import usable_cpus
from processor.render.limits import DEFAULT_LIMITS, MEGAPIXEL, Limits

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_LIMIT_MIB = 1024
MAX_RENDER_THREADS = 64
MAX_MEGAPIXELS = 1_000_000
MAX_TASK_COUNT = 10_000
"""The most tasks that one Cloud Run execution may have (https://cloud.google.com/run/quotas)."""

# Where Linux says how much memory the container may use, in bytes: cgroup v2, then v1.
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_OWNER_PART = re.compile(r"[A-Za-z0-9._-]{1,150}")

Value = TypeVar("Value")


class SettingsError(ValueError):
    """Settings that are missing or malformed; `faults` holds one sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("invalid settings:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one task. Times are in seconds, sizes in bytes unless the name says otherwise.

    `streams`: whether a photo is rendered while it arrives, or fetched ahead as a whole.
    """

    bucket_url: str
    backend_url: str
    token: str
    job: str = "slideshow-processor"
    execution: str = "by-hand"
    task_index: int = 0
    task_count: int = 1
    task_attempt: int = 0
    render_threads: int = 1
    streams: bool = True
    memory_limit: int = DEFAULT_MEMORY_LIMIT_MIB * MEBIBYTE
    limits: Limits = DEFAULT_LIMITS
    timeout_seconds: float = 900.0
    retry_seconds: float = 60.0
    parent_pid: int | None = None

    @property
    def owner(self) -> str:
        """Who holds the leases: an execution's task, whichever attempt of it this is."""
        return f"{self.execution}/{self.task_index}"

    def __repr__(self) -> str:
        """Without the token, so that a traceback or a log line cannot carry it."""
        return f"Settings(owner={self.owner!r}, bucket_url={self.bucket_url!r}, backend_url={self.backend_url!r})"


def container_memory(files: tuple[Path, ...] = _CGROUP_LIMITS) -> int:
    """The memory limit of the container in bytes, or 1 GiB where there is none to be read.

    A limit above 64 GiB is how cgroup v1 spells "no limit", and no size of a task of ours.
    """
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit() and 0 < int(text) <= 64 * 1024 * MEBIBYTE:
            return int(text)
    return DEFAULT_MEMORY_LIMIT_MIB * MEBIBYTE


class _Reader:
    """Reads variables and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def parsed(self, name: str, default: Value, parse: Callable[[str], Value | None], wanted: str) -> Value:
        """The variable's value; `parse` answers None to what is not as `wanted` says."""
        text = self.text(name)
        if not text:
            return default
        value = parse(text)
        if value is None:
            self.faults.append(f"{name} must be {wanted}, not {text!r}")
            return default
        return value

    def number(self, name: str, default: int, low: int, high: int, unit: str = "") -> int:
        def parse(text: str) -> int | None:
            return int(text) if text.isascii() and text.isdigit() and low <= int(text) <= high else None

        return self.parsed(name, default, parse, f"a whole number from {low:,} to {high:,}{unit}")

    def seconds(self, name: str, default: float, low: float, high: float) -> float:
        def parse(text: str) -> float | None:
            return float(text) if _DECIMAL.fullmatch(text) and low <= float(text) <= high else None

        return self.parsed(name, default, parse, f"a number of seconds from {low:g} to {high:,g}")

    def word(self, name: str, default: str) -> str:
        def parse(text: str) -> str | None:
            return text if _OWNER_PART.fullmatch(text) else None

        return self.parsed(name, default, parse, "at most 150 characters of letters, digits, '.', '_' and '-'")


def _bucket_url(read: _Reader) -> str:
    url, name = read.text("BUCKET_URL"), read.text("GCS_BUCKET_NAME")
    if url:
        scheme, _, rest = url.partition("://")
        if (scheme == "file" and rest.startswith("/")) or (scheme == "gs" and _BUCKET_NAME.fullmatch(rest)):
            return url
        read.faults.append(f"BUCKET_URL must look like gs://name or file:///folder, not {url!r}")
    elif name:
        if _BUCKET_NAME.fullmatch(name):
            return f"gs://{name}"
        read.faults.append(f"GCS_BUCKET_NAME must be a bucket name such as my-photos, not {name!r}")
    else:
        read.faults.append("BUCKET_URL (gs://name or file:///folder) or GCS_BUCKET_NAME must be set")
    return ""


def _web_address(text: str) -> str | None:
    """The URL without its last slash, or None if it is none that a token may be sent to."""
    try:
        parts = urlsplit(text)
        usable = parts.port != 0
    except ValueError:
        return None
    if not usable or parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    if parts.username or parts.password or parts.query or parts.fragment:
        return None
    return text.rstrip("/")


def _limits(read: _Reader) -> Limits:
    """The backend reads the same two variables, so that it refuses what a task would."""
    most, most_progressive = (
        read.number(name, default // MEGAPIXEL, 1, MAX_MEGAPIXELS) * MEGAPIXEL
        for name, default in (
            ("MAX_MEGAPIXELS", DEFAULT_LIMITS.max_pixels),
            ("MAX_PROGRESSIVE_MEGAPIXELS", DEFAULT_LIMITS.max_progressive_pixels),
        )
    )
    return Limits(max_pixels=most, max_progressive_pixels=most_progressive)


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that `environ` holds. Raises SettingsError naming every fault at once."""
    read = _Reader(environ)
    bucket_url = _bucket_url(read)
    address = "http://host or https://host, without user, query and fragment"
    if not read.text("BACKEND_API_URL"):
        read.faults.append(f"BACKEND_API_URL ({address}) must be set")
    backend_url = read.parsed("BACKEND_API_URL", "", _web_address, address)
    token = read.text("BACKEND_AUTH_TOKEN")
    if not token:
        read.faults.append("BACKEND_AUTH_TOKEN must be set to the value of the backend's PROCESSOR_AUTH_TOKEN")
    elif not (token.isascii() and token.isprintable() and " " not in token):
        read.faults.append("BACKEND_AUTH_TOKEN must be printable ASCII without spaces (its value is not shown)")
    count = read.number("CLOUD_RUN_TASK_COUNT", 1, 1, MAX_TASK_COUNT)
    index = read.number("CLOUD_RUN_TASK_INDEX", 0, 0, MAX_TASK_COUNT - 1)
    if index >= count:
        read.faults.append(f"CLOUD_RUN_TASK_INDEX must be less than CLOUD_RUN_TASK_COUNT ({count}), not {index}")
    default_memory = container_memory() // MEBIBYTE
    settings = Settings(
        bucket_url=bucket_url,
        backend_url=backend_url,
        token=token,
        job=read.word("CLOUD_RUN_JOB", "slideshow-processor"),
        execution=read.word("CLOUD_RUN_EXECUTION", "by-hand"),
        task_index=index,
        task_count=count,
        task_attempt=read.number("CLOUD_RUN_TASK_ATTEMPT", 0, 0, 1000),
        render_threads=read.number("RENDER_THREADS", min(usable_cpus(), MAX_RENDER_THREADS), 1, MAX_RENDER_THREADS),
        streams=read.parsed("PROCESSOR_DOWNLOAD", True, {"stream": True, "ahead": False}.get, "stream or ahead"),
        memory_limit=read.number("MEMORY_LIMIT_MIB", default_memory, 384, 65_536, " MiB") * MEBIBYTE,
        limits=_limits(read),
        timeout_seconds=read.seconds("TASK_TIMEOUT_SECONDS", 900.0, 1.0, 86_400.0),
        retry_seconds=read.seconds("BACKEND_RETRY_SECONDS", 60.0, 0.1, 600.0),
        parent_pid=read.number("SLIDESHOW_PARENT_PID", 0, 1, 2**31 - 1) or None,
    )
    if read.faults:
        raise SettingsError(read.faults)
    return settings
