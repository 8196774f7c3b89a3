"""Conversion of errors of Google's client to errors of the bucket port: one table, looked up by the nearest class.

The client retries transient errors by itself.
An error that arrives here was retried for as long as the policy allows, or must not be retried immediately.
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
"""Maximum number of characters taken from a message of the client; some contain a complete web page."""

KINDS: dict[type[BaseException], type[BucketError]] = {
    # Responses of the service.
    api.GoogleAPIError: BucketError,
    api.GoogleAPICallError: BucketUnavailable,
    api.RetryError: BucketUnavailable,
    api.Redirection: BucketError,
    api.ResumeIncomplete: BucketUnavailable,
    api.ClientError: BucketError,
    api.Unauthorized: BucketDenied,
    api.Forbidden: BucketDenied,
    api.NotFound: ObjectNotFound,
    api.Conflict: BucketUnavailable,  # two simultaneous changes of the same resource
    api.PreconditionFailed: BucketUnavailable,  # changed by another writer; `create` and others handle it themselves
    api.RequestRangeNotSatisfiable: BucketUnavailable,  # the object became shorter while it was read
    api.TooManyRequests: BucketUnavailable,
    api.Cancelled: BucketUnavailable,
    api.ServerError: BucketUnavailable,
    api.MethodNotImplemented: BucketError,
    api.AsyncRestUnsupportedParameterError: BucketError,
    storage.InvalidResponse: BucketUnavailable,
    storage.DataCorruption: BucketUnavailable,
    storage.InvalidPathError: BucketError,
    # Credentials.
    auth.GoogleAuthError: BucketDenied,
    auth.TransportError: BucketUnavailable,
    auth.TimeoutError: BucketUnavailable,
    auth.ResponseError: BucketUnavailable,
    # Network: errors that no retry can fix come from a wrong setting.
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

CLIENT_ERRORS = (
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
"""Every class that a call of the client may raise; any other exception is a bug in this program."""


def kind_of(error: type[BaseException]) -> type[BucketError]:
    """Return the port's error class for one of `CLIENT_ERRORS`. Raises KeyError for any other class."""
    for base in error.__mro__:
        if base in KINDS:
            return KINDS[base]
    raise KeyError(error)


def bucket_error(name: str, error: BaseException, bucket_name: str) -> BucketError:
    """Convert an error of Google's client.

    Args:
        name: Object name, or empty if the call concerns the bucket.
        error: One of `CLIENT_ERRORS`.
        bucket_name: Used in messages.

    Returns:
        The port's error; its message says what an operator can do about it.
    """
    kind = kind_of(type(error))
    reason = _reason(error)
    if isinstance(error, auth.GoogleAuthError) and kind is BucketDenied:
        if error.retryable:
            return BucketUnavailable(name, f"Google returned no access token: {reason}")
        return BucketDenied(
            name,
            f"there are no usable Google credentials ({reason}); on a laptop run "
            "`gcloud auth application-default login`, on Cloud Run give the service a service account",
        )
    if kind is ObjectNotFound:
        # A call without an object name concerns the bucket itself.
        return ObjectNotFound(name) if name else BucketError("", f"there is no bucket gs://{bucket_name} ({reason})")
    if kind is BucketDenied:
        return BucketDenied(
            name,
            f"access to gs://{bucket_name} is denied ({reason}); grant roles/storage.objectUser on the bucket",
        )
    return kind(name, reason)


def _reason(error: BaseException) -> str:
    """Return the error's class and message in one line. For a retry that gave up, use the error that caused it."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        return f"retried until the time limit: {_reason(error.cause)}"
    text = " ".join(str(error.message if isinstance(error, api.GoogleAPICallError) else error).split())
    return f"{type(error).__name__}: {text[:MAX_REASON]}".rstrip(": ")
