"""One client for everything that the command line asks of a backend."""

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
    Status,
    SyncReport,
    UploadedImage,
)
from contract.messages.devices import DeviceBody, DeviceList, DeviceSaved
from slideshow.errors import RequestRejected, Unreachable

T = TypeVar("T")

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""The longest silence: of the network while a file is sent, and of the backend until it answers."""
TRIES = 4
MAX_PAUSE_SECONDS = 10.0
PAGE = 200
OWN_HOSTS = ("127.0.0.1", "localhost", "::1")


class Client:
    """Calls a backend over HTTP. Safe to use from several threads.

    Every method raises Unreachable when nobody answers in time, and Refused with the backend's own
    sentence when it says no. What is safe to repeat (all but `retry` and a new device) is tried again
    a few times when the connection breaks or the backend answers 503.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS, tries: int = TRIES) -> None:
        """Raises click.UsageError for an address that is none."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise click.UsageError(f"{url!r} is not an address: {error}.") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise click.UsageError(f"{url!r} is not an address such as https://photos.example.org.")
        self.url = str(parsed).rstrip("/")
        self._tries = tries
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            trust_env=parsed.host not in OWN_HOSTS,  # a proxy cannot reach our own host
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log_in(self, password: str) -> None:
        """Open a session; the password travels in the body. Raises Refused (403) for a wrong one."""
        self._call("POST", "/login", json=Login(password=password))

    def reach(self) -> None:
        """Raises Unreachable if nobody answers, Refused if it is no backend of ours; needs no login."""
        self._call("GET", "/_health")

    def is_healthy(self) -> bool:
        """Whether the backend answers right now; never raises and never waits long."""
        try:
            return self._http.get("/_health", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def upload(self, path: Path) -> UploadedImage:
        """Send one file, read from disk piece by piece. Raises OSError if it cannot be read."""

        def send() -> httpx.Response:
            with path.open("rb") as file:
                return self._http.post("/api/admin/upload", files={"file": (sendable_name(path), file)})

        return _decoded(self._answered("POST", "/api/admin/upload", send), UploadedImage)

    def status(self, since: float = 0.0) -> Status:
        """`since`, seconds since the epoch, is from when rendered variants and ended executions are shown."""
        return self._call("GET", "/api/admin/status", Status, params={"since": repr(since)})

    def images(self) -> Iterator[ImageInfo]:
        """All photos, page by page, oldest first; without their variants."""
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

    def devices(self) -> DeviceList:
        return self._call("GET", "/api/devices", DeviceList)

    def save_device(self, device: DeviceBody) -> DeviceSaved:
        """Not repeated: only the first answer holds the new device's token."""
        return self._call("POST", "/api/devices", DeviceSaved, json=device, repeat=False)

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

        return _decoded(self._answered(method, path, send, repeat=repeat), kind)

    def _answered(self, method: str, path: str, send: Any, *, repeat: bool = True) -> httpx.Response:
        """The answer to `send()`, which is called again when that can help."""
        tries = self._tries if repeat else 1
        for attempt in range(1, tries + 1):
            try:
                response: httpx.Response = send()
            except httpx.TransportError as error:
                if attempt == tries or isinstance(error, httpx.UnsupportedProtocol):
                    raise Unreachable(f"{self.url} does not answer ({_reason(error)}); does it run there?") from error
                pause = 0.25 * 2**attempt
            else:
                if response.status_code != 503 or attempt == tries:
                    return _accepted(response, method, path, self.url)
                pause = _seconds_asked(response)
            time.sleep(min(pause, MAX_PAUSE_SECONDS))
        raise AssertionError("unreachable: the last try returns or raises")


def sendable_name(path: Path) -> str:
    """The file's own name as text that can be sent: bytes that are no UTF-8 become question marks."""
    return path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _seconds_asked(response: httpx.Response) -> float:
    try:
        return max(0.1, float(response.headers.get("Retry-After", "1")))
    except ValueError:  # a date: the backend sends none, a proxy between may
        return 1.0


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    return str(error) or type(error).__name__


def _accepted(response: httpx.Response, method: str, path: str, url: str) -> httpx.Response:
    """The response if it is a success. Raises Refused with the sentence that came with it."""
    if response.is_success:
        return response
    try:
        sentence = msgspec.json.decode(response.content, type=Problem).error
    except DECODE_ERRORS:
        sentence = f"{url} answered {response.status_code} {response.reason_phrase} to {method} {path}"
    raise RequestRejected(sentence, response.status_code)


def _decoded(response: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except DECODE_ERRORS as error:
        raise Unreachable(f"{response.url} does not answer as a slideshow backend does: {error}") from error
