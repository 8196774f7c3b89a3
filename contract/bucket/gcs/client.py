"""Google's storage client as both programs use it: as many connections as threads, an end to every wait.

`STORAGE_EMULATOR_HOST` leads it to another server, without credentials, as Google's libraries do.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core.retry import Retry
from google.cloud import storage
from google.cloud.storage import blob as storage_blob
from google.cloud.storage.retry import DEFAULT_RETRY
from msgspec import Struct
from requests.adapters import HTTPAdapter

from contract.bucket.gcs.errors import FOREIGN, translated
from contract.bucket.port import ObjectTooLarge
from contract.object_names import check

# The client would ask for the bucket itself on a thread of its own, for telemetry that nobody reads here.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "1")

# Above this the client takes a second request to begin an upload. An upload of ours has a file's size at most,
# lies in memory whole, and is repeated as a whole.
storage_blob._MAX_MULTIPART_SIZE = 1024 * 1024 * 1024


SLOWEST_UPLOAD = 250_000
"""Bytes a second; an upload that is slower is given up."""


BRIEF = 5.0
"""Seconds that a probe waits for bytes, and goes on with its retries."""


class TimeoutPolicy(Struct, frozen=True):
    """How long a call waits, in seconds: for a connection, for the next bytes, and with its retries."""

    connect: float = 5.0
    read: float = 20.0
    retries: float = 60.0
    first_pause: float = 0.5
    longest_pause: float = 8.0

    def timeout(self, size: int = 0) -> tuple[float, float]:
        """As the client takes it: (to connect, between two pieces of an answer), where `size` bytes are sent.

        Both count for sending too, and for all of it at once: the first on a new connection, the second on a used one.
        """
        sending = size / SLOWEST_UPLOAD
        return self.connect + sending, self.read + sending

    @property
    def retry(self) -> Retry:
        """The client's own policy, which knows what may pass, with our times."""
        policy: Retry = DEFAULT_RETRY.with_timeout(self.retries)
        return policy.with_delay(initial=self.first_pause, maximum=self.longest_pause, multiplier=2.0)


class Access:
    """One bucket, its client, and how long calls wait; errors come out as the contract's."""

    def __init__(self, bucket_name: str, connections: int, patience: TimeoutPolicy) -> None:
        """Raises BucketDenied where there are no credentials."""
        self.bucket_name = bucket_name
        self._patience = patience
        self.waits: dict[str, Any] = self.waits_sending(0)
        """For each call of the client; none goes without."""
        with self.errors(""):
            self.client = make_client(connections)
        self.bucket = self.client.bucket(bucket_name)

    def waits_sending(self, size: int) -> dict[str, Any]:
        """For a call that sends `size` bytes."""
        return {"timeout": self._patience.timeout(size), "retry": self._patience.retry}

    @property
    def brief_waits(self) -> dict[str, Any]:
        """For a call whose answer somebody waits for who asks whether we are well."""
        return {
            "timeout": (self._patience.connect, min(BRIEF, self._patience.read)),
            "retry": self._patience.retry.with_timeout(min(BRIEF, self._patience.retries)),
        }

    @contextmanager
    def errors(self, name: str) -> Iterator[None]:
        """Within, what Google's client raises becomes a BucketError of the object `name`."""
        try:
            yield
        except FOREIGN as error:
            raise translated(name, error, self.bucket_name) from error

    def blob(self, name: str) -> storage.Blob:
        """The client's handle of an object; asks nobody. Raises ValueError for a name that is none."""
        return self.bucket.blob(check(name))

    def stored(self, name: str) -> storage.Blob:
        """What the service knows of an object. Raises ObjectNotFound."""
        blob = self.blob(name)
        with self.errors(name):
            blob.reload(**self.waits)
        return blob


def make_client(connections: int) -> storage.Client:
    """A client whose pool has a place for each of `connections` threads; more of them wait for each other.

    Raises google.auth's errors where there are no credentials.
    """
    client = storage.Client()
    # What the environment says of proxies and certificates is read once, not at each request: a tenth of its CPU time.
    settled = client._http.merge_environment_settings(client._connection.API_BASE_URL, {}, None, None, None)
    client._http.proxies, client._http.verify, client._http.cert = (
        settled[name] for name in ("proxies", "verify", "cert")
    )
    client._http.trust_env = False
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, pool_block=True)
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, adapter)
    client._http.hooks["response"].append(_look_at_header)
    return client


class _Limit(threading.local):
    name = ""
    size: int | None = None


_limit = _Limit()


@contextmanager
def reading_at_most(name: str, limit: int | None) -> Iterator[None]:
    """Within, no body longer than `limit` bytes is read on this thread: ObjectTooLarge instead."""
    _limit.name, _limit.size = name, limit
    try:
        yield
    finally:
        _limit.size = None


def _look_at_header(response: requests.Response, *_: object, **__: object) -> None:
    """Called for each answer between its header and its body."""
    if response.status_code >= 400:
        # The client leaves the body of a refused download unread, and its connection would stay taken:
        # as many refusals as there are connections, and every thread would wait for ever.
        response.content  # noqa: B018
        return
    length = response.headers.get("Content-Length", "")
    if _limit.size is not None and length.isdigit() and int(length) > _limit.size:
        response.close()  # for the same reason
        raise ObjectTooLarge(_limit.name, _limit.size)
