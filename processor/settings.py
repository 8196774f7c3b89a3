"""Settings of a task, read from its environment once and validated together.

All problems are reported at once, each with the variable and its valid values, so that a deployment can be fixed in one
step. Cloud Run sets the `CLOUD_RUN_*` variables
(https://cloud.google.com/run/docs/container-contract#jobs-env-vars); a task that is started by hand needs none of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from contract.machine import CGROUP_LIMITS, container_memory_limit, usable_cpus
from processor.render.limits import DEFAULT_LIMITS, MEGAPIXEL, Limits

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_LIMIT_MIB = 1024
MAX_RENDER_THREADS = 64
MAX_MEGAPIXELS = 1_000_000
MAX_TASK_COUNT = 10_000
"""Limit of Cloud Run for the tasks of one execution (https://cloud.google.com/run/quotas)."""

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_OWNER_PART = re.compile(r"[A-Za-z0-9._-]{1,150}")

Value = TypeVar("Value")


class SettingsError(ValueError):
    """Missing or malformed settings; `problems` has a message for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("invalid settings:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


class Settings(Struct, frozen=True, kw_only=True):
    """Settings of one task. Times are in seconds, and sizes in bytes unless the name has another unit.

    `streams` is True if photos are rendered during their download, and False if they are downloaded first.
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
        """Owner of the leases: the same for all attempts of a task of an execution."""
        return f"{self.execution}/{self.task_index}"

    def __repr__(self) -> str:
        """Leave out the token, so that no traceback or log line contains it."""
        return f"Settings(owner={self.owner!r}, bucket_url={self.bucket_url!r}, backend_url={self.backend_url!r})"


def container_memory(files: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """Return the memory limit of the container in bytes, or 1 GiB if there is none."""
    return container_memory_limit(files) or DEFAULT_MEMORY_LIMIT_MIB * MEBIBYTE


class _Reader:
    """Reads variables and collects the problems with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def parsed(self, name: str, default: Value, parse: Callable[[str], Value | None], valid: str) -> Value:
        """Return the value of a variable; `parse` returns None for a text that is not as `valid` describes."""
        text = self.text(name)
        if not text:
            return default
        value = parse(text)
        if value is None:
            self.problems.append(f"{name} must be {valid}, not {text!r}")
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
        read.problems.append(f"BUCKET_URL must look like gs://name or file:///folder, not {url!r}")
    elif name:
        if _BUCKET_NAME.fullmatch(name):
            return f"gs://{name}"
        read.problems.append(f"GCS_BUCKET_NAME must be a bucket name such as my-photos, not {name!r}")
    else:
        read.problems.append("BUCKET_URL (gs://name or file:///folder) or GCS_BUCKET_NAME must be set")
    return ""


def _web_address(text: str) -> str | None:
    """Return the URL without its last slash, or None if a token must not be sent to it."""
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
    """Read the pixel limits. The backend reads the same two variables, so that it rejects the same uploads."""
    max_pixels, max_progressive_pixels = (
        read.number(name, default // MEGAPIXEL, 1, MAX_MEGAPIXELS) * MEGAPIXEL
        for name, default in (
            ("MAX_MEGAPIXELS", DEFAULT_LIMITS.max_pixels),
            ("MAX_PROGRESSIVE_MEGAPIXELS", DEFAULT_LIMITS.max_progressive_pixels),
        )
    )
    return Limits(max_pixels=max_pixels, max_progressive_pixels=max_progressive_pixels)


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in `environ`. Raises SettingsError with all problems."""
    read = _Reader(environ)
    bucket_url = _bucket_url(read)
    address = "http://host or https://host, without user, query and fragment"
    if not read.text("BACKEND_API_URL"):
        read.problems.append(f"BACKEND_API_URL ({address}) must be set")
    backend_url = read.parsed("BACKEND_API_URL", "", _web_address, address)
    token = read.text("BACKEND_AUTH_TOKEN")
    if not token:
        read.problems.append("BACKEND_AUTH_TOKEN must be set to the value of the backend's PROCESSOR_AUTH_TOKEN")
    elif not (token.isascii() and token.isprintable() and " " not in token):
        read.problems.append("BACKEND_AUTH_TOKEN must be printable ASCII without spaces (its value is not shown)")
    count = read.number("CLOUD_RUN_TASK_COUNT", 1, 1, MAX_TASK_COUNT)
    index = read.number("CLOUD_RUN_TASK_INDEX", 0, 0, MAX_TASK_COUNT - 1)
    if index >= count:
        read.problems.append(f"CLOUD_RUN_TASK_INDEX must be less than CLOUD_RUN_TASK_COUNT ({count}), not {index}")
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
    if read.problems:
        raise SettingsError(read.problems)
    return settings
