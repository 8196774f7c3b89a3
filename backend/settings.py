"""The backend's settings with their units and defaults. All problems of an environment are reported at once.

Embedded mode, without a cloud bucket, is for a laptop.
There the token, the password and the port are generated once and stored in the data folder.
In any other mode a missing secret stops the start.
"""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct
from sqlalchemy.engine import URL

from backend.http.limits import CONNECTIONS_PER_ADDRESS
from backend.http.proxy_headers import parse_networks

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class SettingsError(Exception):
    """The environment is invalid. `problems` contains a sentence per problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(Struct, frozen=True, kw_only=True):
    """The settings. Each field is read from the environment variable of its name in upper case."""

    slideshow_data: Annotated[str, Meta(description="Data folder of embedded mode.")] = ".slideshow"
    bucket_url: Annotated[
        str,
        Meta(description="`gs://name` or `file:///folder`. Empty: GCS_BUCKET_NAME, else `bucket` in the data folder."),
    ] = ""
    gcs_bucket_name: Annotated[
        str,
        Meta(description="Name of the Cloud Storage bucket. Ignored if BUCKET_URL is set. Both empty: embedded mode."),
    ] = ""
    database_url: Annotated[
        str,
        Meta(description="SQLAlchemy URL of the database. Empty: SQLite in the data folder. Only SQLite is tested."),
    ] = ""
    database_durable: Annotated[
        bool | None,
        Meta(description="Whether the database outlives the process. Empty: no for SQLite on Cloud Run, else yes."),
    ] = None
    backend_api_url: Annotated[
        str, Meta(description="Base URL that tasks call. Empty: the address of this server.")
    ] = ""
    processor_auth_token: Annotated[
        str,
        Meta(
            description="Bearer token that tasks send, at least 32 characters unless embedded. "
            "Empty: generated if embedded, else an error."
        ),
    ] = ""
    processor_auth_token_previous: Annotated[
        str, Meta(description="Second token of any length that is accepted during a rotation. Empty: none.")
    ] = ""
    admin_password: Annotated[
        str,
        Meta(
            description="Login password, at least 12 characters unless embedded, or its hash (`$argon2id$...`). "
            "Empty: generated if embedded, else an error."
        ),
    ] = ""
    metrics_token: Annotated[
        str,
        Meta(
            description="Bearer token that may read /metrics, at least 32 characters unless embedded. "
            "Empty: only a logged-in session may."
        ),
    ] = ""
    device_auth: Annotated[
        Literal["required", "open"],
        Meta(description="`required`: frames must send their token. `open`: frames are served without one."),
    ] = "required"
    cors_origins: Annotated[
        str,
        Meta(description="Space-separated origins allowed by CORS, e.g. `https://home.example`. Empty disables CORS."),
    ] = ""
    host: Annotated[str, Meta(description="Address to listen on. Empty: 127.0.0.1 if embedded, else 0.0.0.0.")] = ""
    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Port to listen on. 0: a free port, stored in the data folder, if embedded; else 8080.",
        ),
    ] = 0
    public_url: Annotated[
        str,
        Meta(
            description="Address under which browsers reach this server through a reverse proxy, e.g. "
            "`https://photos.example`. With https, the login cookie is only sent over TLS. Empty: the request's `Host`."
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Space-separated addresses or networks of reverse proxies whose `X-Forwarded-For` and "
            "`X-Forwarded-Proto` count, e.g. `127.0.0.1 10.0.0.0/8`. Empty: none, except on Cloud Run."
        ),
    ] = ""
    connections_per_address: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum number of open connections of one address, unless it is a trusted proxy. 0: no limit.",
        ),
    ] = CONNECTIONS_PER_ADDRESS
    allowed_hosts: Annotated[
        str,
        Meta(
            description="Space-separated further names of this server, e.g. `photos.example`. Only used with "
            "DEVICE_AUTH=open, which rejects unknown names. Empty: IP addresses, local names and PUBLIC_URL only."
        ),
    ] = ""
    k_service: Annotated[
        str, Meta(description="Name of the Cloud Run service, set by Cloud Run. Empty: not on Cloud Run.")
    ] = ""
    gcp_project_id: Annotated[
        str, Meta(description="Google Cloud project of the Cloud Run job. Empty: tasks run as local processes.")
    ] = ""
    gcp_region: Annotated[str, Meta(description="Region of the Cloud Run job.")] = "us-central1"
    processor_job_name: Annotated[str, Meta(description="Name of the Cloud Run job.")] = "slideshow-processor"
    cloud_run_endpoint: Annotated[
        str, Meta(description="Cloud Run emulator: grpc:// or http:// with a loopback address. Empty: the Google API.")
    ] = ""
    tasks_prefer: Annotated[
        Literal["cost", "latency"],
        Meta(description="`cost`: one task per minute of queued work. `latency`: more tasks, to finish sooner."),
    ] = "cost"
    batch_size: Annotated[Count, Meta(description="Number of pending images that starts an execution.")] = 50
    flush_delay_seconds: Annotated[
        Seconds, Meta(description="Longest time that a pending image waits before an execution is started.")
    ] = 30.0
    max_tasks: Annotated[Count, Meta(le=10_000, description="Maximum number of tasks that run at a time.")] = 10
    task_timeout_seconds: Annotated[Seconds, Meta(description="Time limit of one attempt of a task.")] = 900.0
    task_retries: Annotated[int, Meta(ge=0, le=10, description="How often a failed task is retried.")] = 3
    lease_seconds: Annotated[Seconds, Meta(description="Lifetime of a lease that is not renewed.")] = 60.0
    snapshot_delay_seconds: Annotated[
        Seconds,
        Meta(description="Delay between a change and the next snapshot. Only used if the database is not durable."),
    ] = 30.0
    snapshot_bucket_url: Annotated[
        str,
        Meta(
            description="`gs://name` or `file:///folder` of a bucket for snapshots alone, without soft delete. "
            "Empty: the bucket. Only used if the database is not durable."
        ),
    ] = ""
    sync_interval_seconds: Annotated[Seconds, Meta(description="Time between two metadata syncs.")] = 60.0
    tick_seconds: Annotated[
        float, Meta(ge=0, description="Interval of the local timer for periodic work. 0 disables it.")
    ] = 1.0
    tick_service_account: Annotated[
        str,
        Meta(
            description="Service account whose ID token may call /internal/tick. Empty: only the processor token may."
        ),
    ] = ""
    tick_audience: Annotated[
        str, Meta(description="Audience of the ID tokens of Cloud Scheduler. Required if TICK_SERVICE_ACCOUNT is set.")
    ] = ""
    cloud_tasks_queue: Annotated[
        str,
        Meta(
            description="Cloud Tasks queue that calls /internal/tick when a batch is due. "
            "Empty: a batch waits for the next tick of Cloud Scheduler."
        ),
    ] = ""
    cloud_tasks_endpoint: Annotated[
        str, Meta(description="Cloud Tasks emulator: grpc:// with a loopback address. Empty: the Google API.")
    ] = ""
    upload_limit_mib: Annotated[int, Meta(ge=1, le=1024, description="Maximum size of an uploaded file in MiB.")] = 30
    upload_seconds: Annotated[Seconds, Meta(description="Maximum duration of an upload request.")] = 300.0
    uploads_at_once: Annotated[
        Count, Meta(description="Maximum number of uploads that are held in memory at a time.")
    ] = 4
    max_megapixels: Annotated[Count, Meta(description="Maximum size of a photo in megapixels.")] = 110
    max_progressive_megapixels: Annotated[
        Count, Meta(description="Maximum size of a progressive JPEG in megapixels.")
    ] = 50
    session_hours: Annotated[Seconds, Meta(description="Lifetime of a login in hours.")] = 24.0 * 14
    local_tasks: Annotated[int, Meta(ge=0, description="Maximum number of local tasks at a time. 0: one per CPU.")] = 0

    @property
    def embedded(self) -> bool:
        """True without a cloud bucket."""
        return not self.gcs_bucket_name and not self.bucket_url.startswith("gs://")

    @property
    def durable(self) -> bool:
        """True if the database outlives the process."""
        return self.database_durable is not False

    @property
    def data_folder(self) -> Path:
        return Path(self.slideshow_data).expanduser().absolute()

    @property
    def bucket(self) -> str:
        """URL of the bucket. In embedded mode it is the folder `bucket` in the data folder."""
        if self.bucket_url:
            return self.bucket_url.rstrip("/")
        if self.gcs_bucket_name:
            return f"gs://{self.gcs_bucket_name}"
        return (self.data_folder / "bucket").as_uri()

    @property
    def database(self) -> URL | str:
        """SQLAlchemy URL. It is not a string for a data folder, whose name may contain special characters of URLs."""
        if not self.database_url:
            return URL.create("sqlite", database=str(self.data_folder / "slideshow.db"))
        scheme, separator, rest = self.database_url.partition("://")
        # SQLAlchemy would choose psycopg2 for the first two, which is not installed.
        return f"postgresql+psycopg{separator}{rest}" if scheme in ("postgresql", "postgres") else self.database_url


ARGON2_HASH = re.compile(r"\$argon2(?:id|i|d)(?:\$v=\d+)?\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
"""The text form of an Argon2 hash (https://github.com/P-H-C/phc-string-format)."""
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
SWITCHES = ("database_durable",)
"""Settings that are yes or no. True, false, 1 and 0 are accepted, too."""
MIN_PASSWORD_LENGTH = 12
"""Shorter passwords can be guessed, although wrong ones are throttled: a guesser may have many addresses."""
MIN_TOKEN_LENGTH = 32
"""Tokens are checked without a throttle. 32 hex digits are 128 random bits."""
_MIN_LENGTHS = {
    "processor_auth_token": MIN_TOKEN_LENGTH,
    "metrics_token": MIN_TOKEN_LENGTH,
    "admin_password": MIN_PASSWORD_LENGTH,
}
"""PROCESSOR_AUTH_TOKEN_PREVIOUS is not in it, so that a short token can be rotated without an interruption."""
SECRETS = ("processor_auth_token", "processor_auth_token_previous", "admin_password", "metrics_token")


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of an environment. Raises SettingsError with all problems."""
    values: dict[str, object] = {}
    problems = []
    hints = typing.get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        variable = field.name.upper()
        text = environ.get(variable)
        if text is not None and field.name in SECRETS:
            text = text.strip()
        if text is None or text == "":
            continue
        if field.name in SWITCHES:
            text = {"yes": "true", "no": "false"}.get(text.strip().lower(), text)
        try:
            values[field.name] = msgspec.convert(text, hints[field.name], strict=False)
        except msgspec.ValidationError as error:
            value = "(not shown)" if field.name in SECRETS else repr(text)
            problems.append(f"{variable}: invalid value {value} ({error}). Meaning: {describe(field.name)}")
    settings = Settings(**values)  # type: ignore[arg-type]
    is_sqlite = not settings.database_url or settings.database_url.startswith("sqlite")
    if settings.database_durable is None and is_sqlite and "K_SERVICE" in environ:
        settings = msgspec.structs.replace(settings, database_durable=False)  # the disk of Cloud Run is memory
    elif not settings.durable and not is_sqlite:
        problems.append("DATABASE_DURABLE: 'no' is only valid for SQLite. Unset it, or unset DATABASE_URL.")
    for name in ("bucket_url", "snapshot_bucket_url"):
        url = getattr(settings, name)
        if url and not url.startswith(("gs://", "file:///")):
            problems.append(f"{name.upper()}: invalid value {url!r}. Use gs://name or file:///folder.")
    if settings.cloud_tasks_queue and not (settings.gcp_project_id and settings.tick_service_account):
        problems.append(
            "CLOUD_TASKS_QUEUE: needs GCP_PROJECT_ID and TICK_SERVICE_ACCOUNT as well. Set both, or unset it."
        )
    if settings.tick_service_account and not settings.tick_audience:
        problems.append("TICK_AUDIENCE: missing. Set it to the address of this service, or unset TICK_SERVICE_ACCOUNT.")
    problems += [
        f"CORS_ORIGINS: invalid origin {origin!r}. Use https://host or http://host, without a path."
        for origin in settings.cors_origins.split()
        if not _is_origin(origin)
    ]
    if settings.public_url and not _is_origin(settings.public_url):
        problems.append(
            f"PUBLIC_URL: invalid value {settings.public_url!r}. Use https://host or http://host, without a path."
        )
    try:
        parse_networks(settings.trusted_proxies)
    except ValueError as error:
        problems.append(f"TRUSTED_PROXIES: {error}. Use addresses such as 127.0.0.1, or networks such as 10.0.0.0/8.")
    problems += [
        f"ALLOWED_HOSTS: invalid name {name!r}. Use a host name without scheme, port and path."
        for name in settings.allowed_hosts.split()
        if not _HOST_NAME.fullmatch(name)
    ]
    if settings.admin_password.startswith("$argon2") and not ARGON2_HASH.fullmatch(settings.admin_password):
        problems.append(
            "ADMIN_PASSWORD: damaged hash. Set a complete one (`$argon2id$v=19$m=...,t=...,p=...$salt$hash`), or a "
            "password that does not begin with $argon2."
        )
    for name in ("cloud_run_endpoint", "cloud_tasks_endpoint"):
        endpoint = getattr(settings, name)
        if endpoint and not _is_safe_endpoint(endpoint):
            problems.append(
                f"{name.upper()}: invalid value {endpoint!r}. Use https://host, or on this machine "
                "grpc://127.0.0.1:port or http://127.0.0.1:port."
            )
    if not settings.embedded:
        problems += [
            f"{name.upper()}: missing. It is required outside embedded mode. Meaning: {describe(name)}"
            for name in ("processor_auth_token", "admin_password")
            if not getattr(settings, name)
        ]
        problems += short_secrets(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def short_secrets(settings: Settings) -> list[str]:
    """Return a sentence for each secret that is too short. Outside of embedded mode they end the start."""
    return [
        f"{name.upper()}: too short, it has {len(secret)} characters. "
        f"Set at least {minimum}, for example the output of `openssl rand -hex {minimum // 2}`."
        for name, minimum in _MIN_LENGTHS.items()
        if 0 < len(secret := getattr(settings, name)) < minimum
    ]


def _is_origin(text: str) -> bool:
    """Return True for a text that a browser sends as `Origin`."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False


def _is_safe_endpoint(endpoint: str) -> bool:
    """Return True for an encrypted endpoint, or for a loopback address, to which no credentials are sent."""
    try:
        parts = urlsplit(endpoint)
        is_address = bool(parts.hostname) and parts.port != 0 and not (parts.path or parts.query or parts.username)
    except ValueError:
        return False
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return is_address and (parts.scheme == "https" or (parts.scheme in ("grpc", "http") and local))


def describe(name: str) -> str:
    """Return the description of a setting, as the documentation lists it. Raises KeyError for an unknown name."""
    hint = typing.get_type_hints(Settings, include_extras=True)[name]
    return next(str(meta.description) for meta in hint.__metadata__ if meta.description)
