"""Which of the bucket's errors a failure of Google's client is: one table, looked up by the nearest class.

The client retries by itself what may pass; what comes out of it here has been tried for as long
as its policy allows, or is not worth a retry at once.
"""

from __future__ import annotations

import http.client

import requests.exceptions as web
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage import exceptions as storage

from contract.bucket.port import BucketDenied, BucketError, BucketUnavailable, ObjectNotFound

MAX_REASON = 400
"""Characters of a foreign message that are passed on; some carry a whole page."""

KINDS: dict[type[BaseException], type[BucketError]] = {
    # What the service answered.
    api.GoogleAPIError: BucketError,
    api.GoogleAPICallError: BucketUnavailable,
    api.RetryError: BucketUnavailable,
    api.Redirection: BucketError,
    api.ResumeIncomplete: BucketUnavailable,
    api.ClientError: BucketError,
    api.Unauthorized: BucketDenied,
    api.Forbidden: BucketDenied,
    api.NotFound: ObjectNotFound,
    api.Conflict: BucketUnavailable,  # two changes of one thing at a time
    api.PreconditionFailed: BucketUnavailable,  # it changed while we worked on it; `create` looks for itself
    api.RequestRangeNotSatisfiable: BucketUnavailable,  # it became shorter while it was read
    api.TooManyRequests: BucketUnavailable,
    api.Cancelled: BucketUnavailable,
    api.ServerError: BucketUnavailable,
    api.MethodNotImplemented: BucketError,
    api.AsyncRestUnsupportedParameterError: BucketError,
    storage.InvalidResponse: BucketUnavailable,
    storage.DataCorruption: BucketUnavailable,
    storage.InvalidPathError: BucketError,
    # Who we are.
    auth.GoogleAuthError: BucketDenied,
    auth.TransportError: BucketUnavailable,
    auth.TimeoutError: BucketUnavailable,
    auth.ResponseError: BucketUnavailable,
    # The way there: what no retry mends is a fault of the settings.
    web.RequestException: BucketUnavailable,
    web.URLRequired: BucketError,
    web.TooManyRedirects: BucketError,
    web.MissingSchema: BucketError,
    web.InvalidSchema: BucketError,
    web.InvalidURL: BucketError,
    web.InvalidHeader: BucketError,
    urllib3.exceptions.HTTPError: BucketUnavailable,
    urllib3.exceptions.LocationValueError: BucketError,
    urllib3.exceptions.ProxySchemeUnsupported: BucketError,
    http.client.HTTPException: BucketUnavailable,
    OSError: BucketUnavailable,
}

FOREIGN = (
    api.GoogleAPIError,
    api.AsyncRestUnsupportedParameterError,
    storage.InvalidResponse,
    storage.DataCorruption,
    storage.InvalidPathError,
    auth.GoogleAuthError,
    web.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    http.client.HTTPException,
    OSError,
)
"""What a call of the client may raise; anything else is a fault of this program."""


def kind_of(error: type[BaseException]) -> type[BucketError]:
    """The bucket's error for a foreign one. Raises KeyError for a class that is none of `FOREIGN`."""
    for base in error.__mro__:
        if base in KINDS:
            return KINDS[base]
    raise KeyError(error)


def translated(name: str, error: BaseException, bucket_name: str) -> BucketError:
    """The bucket's error for `error`, with what a person needs to mend it; `name` is the object or empty."""
    kind = kind_of(type(error))
    reason = _reason(error)
    if isinstance(error, auth.GoogleAuthError) and kind is BucketDenied:
        if error.retryable:
            return BucketUnavailable(name, f"Google gave no access token: {reason}")
        return BucketDenied(
            name,
            f"there are no usable Google credentials ({reason}); on a laptop run "
            "`gcloud auth application-default login`, on Cloud Run give the service a service account",
        )
    if kind is ObjectNotFound:
        # Only a call that names no object is about the bucket itself.
        return ObjectNotFound(name) if name else BucketError("", f"there is no bucket gs://{bucket_name} ({reason})")
    if kind is BucketDenied:
        return BucketDenied(
            name,
            f"access to gs://{bucket_name} is refused ({reason}); roles/storage.objectUser on the bucket allows it",
        )
    return kind(name, reason)


def _reason(error: BaseException) -> str:
    """What happened, in one line; of a retry that gave up, what it gave up on."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        return f"tried again until the time was up: {_reason(error.cause)}"
    text = " ".join(str(error.message if isinstance(error, api.GoogleAPICallError) else error).split())
    return f"{type(error).__name__}: {text[:MAX_REASON]}".rstrip(": ")
