"""HTTP client of the backend, for all commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click
import httpx
import msgspec

from contract.messages import DECODE_ERRORS
from contract.messages.admin import (
    FlushAnswer,
    ImageInfo,
    ImageList,
    Login,
    Problem,
    RetryAnswer,
    RetryRequest,
    SessionsEnded,
    Status,
    SyncReport,
    TurnAnswer,
    TurnRequest,
    UploadedImage,
)
from contract.messages.devices import DeviceBody, DeviceList, DeviceSaved
from slideshow.errors import RequestRejected, Unreachable

T = TypeVar("T")

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""Timeout for each network operation, including the wait for the backend's response."""
TRIES = 4
MAX_PAUSE_SECONDS = 10.0
PAGE = 200
OWN_HOSTS = ("127.0.0.1", "localhost", "::1")


class Client:
    """Call a backend over HTTP. Safe to use from several threads.

    Requests that are safe to repeat (all but `retry`, `turn` and `save_device`) are retried a few times when the
    connection breaks or the backend answers 503.

    Every method raises:
        Unreachable: No backend answers in time.
        RequestRejected: The backend answered with an error.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS, tries: int = TRIES) -> None:
        """Check the address.

        Raises:
            click.UsageError: The address is not an HTTP URL.
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise click.UsageError(
                f"{url!r} is not an address: {error}. Use e.g. https://photos.example.org."
            ) from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise click.UsageError(f"{url!r} is not an address. Use e.g. https://photos.example.org.")
        self.url = str(parsed).rstrip("/")
        self._tries = tries
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            trust_env=parsed.host not in OWN_HOSTS,  # a proxy cannot reach this machine's own servers
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log_in(self, password: str) -> None:
        """Open a session. A wrong password raises RequestRejected with status 403."""
        self._call("POST", "/login", json=Login(password=password))

    def log_out_everywhere(self) -> SessionsEnded:
        """End all sessions. Not retried: the first request ends the session that permits the second one."""
        return self._call("POST", "/logout/everywhere", SessionsEnded, repeat=False)

    def reach(self) -> None:
        """Check without a login that a backend answers."""
        self._call("GET", "/_health")

    def is_healthy(self) -> bool:
        """Return True if the backend answers within two seconds. Never raises."""
        try:
            return self._http.get("/_health", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def upload(self, path: Path, content: bytes | None = None) -> UploadedImage:
        """Upload one file, streamed from the disk, or `content` under the name of the file as a JPEG.

        Raises:
            OSError: The file cannot be read.
        """

        def send() -> httpx.Response:
            if content is not None:
                name = sendable_name(path.with_suffix(".jpg"))
                return self._http.post("/api/admin/upload", files={"file": (name, content)})
            with path.open("rb") as file:
                return self._http.post("/api/admin/upload", files={"file": (sendable_name(path), file)})

        return _decode(self._request("POST", "/api/admin/upload", send), UploadedImage)

    def status(self, since: float = 0.0) -> Status:
        """Return the status.

        Args:
            since: Count variants rendered, and list executions ended, since this time (seconds since the epoch).
        """
        return self._call("GET", "/api/admin/status", Status, params={"since": repr(since)})

    def images(self) -> Iterator[ImageInfo]:
        """Yield all photos, oldest first, without their variants."""
        after: dict[str, str] = {}
        while True:
            page = self._call("GET", "/api/images", ImageList, params={"limit": str(PAGE), **after})
            yield from page.images
            if page.next is None:
                return
            after = {"after": page.next}

    def image(self, image_id: str) -> ImageInfo:
        return self._call("GET", f"/api/images/{quote(image_id, safe='')}", ImageInfo)

    def flush(self) -> FlushAnswer:
        return self._call("POST", "/api/admin/flush", FlushAnswer)

    def sync(self) -> SyncReport:
        return self._call("POST", "/api/admin/sync", SyncReport)

    def retry(self, request: RetryRequest) -> RetryAnswer:
        return self._call("POST", "/api/admin/retry", RetryAnswer, json=request, repeat=False)

    def turn(self, request: TurnRequest) -> TurnAnswer:
        """Turn photos. Not retried, because a repeated request would turn them again."""
        return self._call("POST", "/api/admin/turn", TurnAnswer, json=request, repeat=False)

    def devices(self) -> DeviceList:
        return self._call("GET", "/api/devices", DeviceList)

    def save_device(self, device: DeviceBody) -> DeviceSaved:
        """Add or change a device. Not retried, because only the first response contains a new device's token."""
        return self._call("POST", "/api/devices", DeviceSaved, json=device, repeat=False)

    def renew_token(self, device_id: str) -> DeviceSaved:
        """Replace a device's token. May be repeated: only the last response's token is valid."""
        return self._call("POST", f"/api/devices/{quote(device_id, safe='')}/token", DeviceSaved)

    def remove_device(self, device_id: str) -> None:
        self._call("DELETE", f"/api/devices/{quote(device_id, safe='')}")

    def _call(
        self,
        method: str,
        path: str,
        kind: type[T] = object,  # type: ignore[assignment]
        *,
        json: msgspec.Struct | None = None,
        params: dict[str, str] | None = None,
        repeat: bool = True,
    ) -> T:
        body: dict[str, Any] = {}
        if json is not None:
            body = {"content": msgspec.json.encode(json), "headers": {"Content-Type": "application/json"}}

        def send() -> httpx.Response:
            return self._http.request(method, path, params=params, **body)

        return _decode(self._request(method, path, send, repeat=repeat), kind)

    def _request(self, method: str, path: str, send: Any, *, repeat: bool = True) -> httpx.Response:
        """Return the response of `send()`, which is called again after transient errors."""
        tries = self._tries if repeat else 1
        for attempt in range(1, tries + 1):
            try:
                response: httpx.Response = send()
            except httpx.TransportError as error:
                if attempt == tries or isinstance(error, httpx.UnsupportedProtocol):
                    raise Unreachable(
                        f"{self.url} does not answer ({_reason(error)}); is the backend running?"
                    ) from error
                pause = 0.25 * 2**attempt
            else:
                if response.status_code != 503 or attempt == tries:
                    return _check(response, method, path, self.url)
                pause = _retry_after(response)
            time.sleep(min(pause, MAX_PAUSE_SECONDS))
        raise AssertionError("unreachable: the last try returns or raises")


def sendable_name(path: Path) -> str:
    """Return the file's name as valid UTF-8 text; other bytes become replacement characters."""
    return path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _retry_after(response: httpx.Response) -> float:
    try:
        return max(0.1, float(response.headers.get("Retry-After", "1")))
    except ValueError:  # a date: the backend sends none, but a proxy may
        return 1.0


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    return str(error) or type(error).__name__


def _check(response: httpx.Response, method: str, path: str, url: str) -> httpx.Response:
    """Return a successful response. Raises RequestRejected with the sentence of any other."""
    if response.is_success:
        return response
    try:
        sentence = msgspec.json.decode(response.content, type=Problem).error
    except DECODE_ERRORS:
        sentence = f"{url} answered {response.status_code} {response.reason_phrase} to {method} {path}"
    raise RequestRejected(sentence, response.status_code)


def _decode(response: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except DECODE_ERRORS as error:
        raise Unreachable(f"{response.url} is not a slideshow backend: {error}") from error
