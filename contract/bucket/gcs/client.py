"""Google's storage client, set up for both programs: one connection per thread, and a limit for every wait.

`STORAGE_EMULATOR_HOST` selects another server without credentials, as in all Google libraries.
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

from contract.bucket.gcs.errors import CLIENT_ERRORS, bucket_error
from contract.bucket.port import ObjectTooLarge
from contract.object_names import check

# Otherwise the client requests the bucket's metadata on a thread of its own, for telemetry that is not used here.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "1")

# Above this size the client begins an upload with an additional request. Our uploads have the size of a file at most,
# are completely in memory, and are repeated as a whole.
storage_blob._MAX_MULTIPART_SIZE = 1024 * 1024 * 1024

MIN_UPLOAD_RATE = 250_000
"""Minimum speed of an upload in bytes per second. A slower upload times out."""

PROBE_SECONDS = 5.0
"""Longest time that a probe waits for bytes, and longest time of its retries."""


class TimeoutPolicy(Struct, frozen=True):
    """Limits of a call in seconds: to connect, between two reads, for all retries, and the pauses between retries."""

    connect: float = 5.0
    read: float = 20.0
    retries: float = 60.0
    min_pause: float = 0.5
    max_pause: float = 8.0

    def timeout(self, size: int = 0) -> tuple[float, float]:
        """Return (connect timeout, read timeout) in seconds for a request that sends `size` bytes.

        The client applies the first also to sending on a new connection, the second to sending on a reused one.
        So both are extended by the time to send all bytes.
        """
        sending = size / MIN_UPLOAD_RATE
        return self.connect + sending, self.read + sending

    @property
    def retry(self) -> Retry:
        """Return the client's own policy, which selects the transient errors, with these times."""
        policy: Retry = DEFAULT_RETRY.with_timeout(self.retries)
        return policy.with_delay(initial=self.min_pause, maximum=self.max_pause, multiplier=2.0)


class Access:
    """One bucket, its client and the options of its calls. Converts the client's errors to errors of the port."""

    def __init__(self, bucket_name: str, connections: int, timeouts: TimeoutPolicy) -> None:
        """Create the client. Raises BucketDenied if there are no Google credentials."""
        self.bucket_name = bucket_name
        self._timeouts = timeouts
        self.options: dict[str, Any] = self.upload_options(0)
        """Timeout and retry options that every call of the client must pass."""
        with self.errors(""):
            self.client = make_client(connections)
        self.bucket = self.client.bucket(bucket_name)

    def upload_options(self, size: int) -> dict[str, Any]:
        """Return the options of a call that sends `size` bytes."""
        return {"timeout": self._timeouts.timeout(size), "retry": self._timeouts.retry}

    @property
    def probe_options(self) -> dict[str, Any]:
        """Return the options of a health check, which must answer within a few seconds."""
        return {
            "timeout": (self._timeouts.connect, min(PROBE_SECONDS, self._timeouts.read)),
            "retry": self._timeouts.retry.with_timeout(min(PROBE_SECONDS, self._timeouts.retries)),
        }

    @contextmanager
    def errors(self, name: str) -> Iterator[None]:
        """Convert errors of Google's client, raised within the block, to a BucketError of the object `name`."""
        try:
            yield
        except CLIENT_ERRORS as error:
            raise bucket_error(name, error, self.bucket_name) from error

    def blob(self, name: str) -> storage.Blob:
        """Return the client's handle of an object without a request. Raises ValueError for an invalid name."""
        return self.bucket.blob(check(name))

    def metadata_of(self, name: str) -> storage.Blob:
        """Request an object's metadata. Raises ObjectNotFound."""
        blob = self.blob(name)
        with self.errors(name):
            blob.reload(**self.options)
        return blob


def make_client(connections: int) -> storage.Client:
    """Return a client whose pool has a connection for each of `connections` threads; further threads wait.

    Raises google.auth's errors if there are no credentials.
    """
    client = storage.Client()
    # Proxies and certificates of the environment are read once. Reading them takes a tenth of a request's CPU time.
    environment = client._http.merge_environment_settings(client._connection.API_BASE_URL, {}, None, None, None)
    client._http.proxies, client._http.verify, client._http.cert = (
        environment[name] for name in ("proxies", "verify", "cert")
    )
    client._http.trust_env = False
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, pool_block=True)
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, adapter)
    client._http.hooks["response"].append(_check_response)
    return client


class _Limit(threading.local):
    name = ""
    size: int | None = None


_limit = _Limit()


@contextmanager
def size_limit(name: str, limit: int | None) -> Iterator[None]:
    """Raise ObjectTooLarge within the block instead of reading a body of more than `limit` bytes on this thread."""
    _limit.name, _limit.size = name, limit
    try:
        yield
    finally:
        _limit.size = None


def _check_response(response: requests.Response, *_: object, **__: object) -> None:
    """Run for each response after its header and before its body is read."""
    if response.status_code >= 400:
        # The client does not read the body of a rejected download, so its connection would never return to the pool.
        # After as many rejections as there are connections every thread would wait forever.
        response.content  # noqa: B018
        return
    length = response.headers.get("Content-Length", "")
    if _limit.size is not None and length.isdigit() and int(length) > _limit.size:
        response.close()  # returns the connection to the pool
        raise ObjectTooLarge(_limit.name, _limit.size)
