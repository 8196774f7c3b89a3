"""The table of client errors is complete."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
import requests
import requests.exceptions
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage import exceptions as storage

from contract.bucket.gcs.errors import CLIENT_ERRORS, KINDS, bucket_error, kind_of
from contract.bucket.port import BucketDenied, BucketError, BucketUnavailable, ObjectNotFound


def errors_of(module: ModuleType) -> list[type[Exception]]:
    """Return every exception that a module defines, without warnings."""
    return [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and not issubclass(member, Warning) and member.__module__ == module.__name__
    ]


ALL = [error for module in (api, requests.exceptions, urllib3.exceptions, auth, storage) for error in errors_of(module)]

PERMANENT = {
    "GoogleAPIError",
    "DuplicateCredentialArgs",
    "AsyncRestUnsupportedParameterError",
    "Redirection",
    "MovedPermanently",
    "NotModified",
    "TemporaryRedirect",
    "ClientError",
    "BadRequest",
    "InvalidArgument",
    "FailedPrecondition",
    "OutOfRange",
    "MethodNotAllowed",
    "LengthRequired",
    "MethodNotImplemented",
    "InvalidPathError",
    "URLRequired",
    "TooManyRedirects",
    "MissingSchema",
    "InvalidSchema",
    "InvalidURL",
    "InvalidHeader",
    "InvalidProxyURL",
    "LocationValueError",
    "LocationParseError",
    "URLSchemeUnknown",
    "ProxySchemeUnknown",
    "ProxySchemeUnsupported",
}

DENIED = {"Unauthorized", "Unauthenticated", "Forbidden", "PermissionDenied"}
WITHOUT_CREDENTIALS = set(errors_of(auth)) - {
    auth.TransportError,
    auth.TimeoutError,
    auth.ResponseError,
}


def test_errors_of_all_modules_are_collected() -> None:
    assert len(ALL) > 100


@pytest.mark.parametrize("error", ALL, ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_every_client_error_is_converted(error: type[Exception]) -> None:
    assert issubclass(error, CLIENT_ERRORS), "the bucket would let it through"
    kind = kind_of(error)
    if error is api.NotFound:
        assert kind is ObjectNotFound
    elif error in WITHOUT_CREDENTIALS or (error.__module__ == api.__name__ and error.__name__ in DENIED):
        assert kind is BucketDenied
    elif (
        error.__name__ in PERMANENT
        and error.__module__ != auth.__name__
        and error is not urllib3.exceptions.InvalidHeader  # a response's header; that of requests is a request's
    ):
        assert kind is BucketError
    else:
        assert kind is BucketUnavailable


@pytest.mark.parametrize("foreign", CLIENT_ERRORS, ids=lambda error: error.__name__)
def test_every_caught_class_is_in_the_table(foreign: type[Exception]) -> None:
    assert any(base in KINDS for base in foreign.__mro__)


def test_other_exceptions_are_not_converted() -> None:
    with pytest.raises(KeyError):
        kind_of(ZeroDivisionError)


def test_messages_say_what_to_do() -> None:
    denied = bucket_error("a/b", api.Forbidden("somebody lacks storage.objects.get"), "photos")
    assert str(denied).startswith("a/b: access to gs://photos is denied")
    assert "storage.objects.get" in str(denied)
    assert "roles/storage.objectUser" in str(denied)
    gave_up = bucket_error("a/b", api.RetryError("Timeout of 60.0s exceeded", requests.ConnectionError("no way")), "p")
    assert str(gave_up) == "a/b: retried until the time limit: ConnectionError: no way"
    later = bucket_error("", auth.RefreshError("the metadata server is busy", retryable=True), "p")
    assert isinstance(later, BucketUnavailable)
    no_credentials = bucket_error("", auth.DefaultCredentialsError("none"), "p")
    assert "gcloud auth application-default login" in str(no_credentials)
    assert len(str(bucket_error("", api.BadGateway("<html>" * 1000), "p"))) < 500
