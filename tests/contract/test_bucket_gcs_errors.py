"""The table of foreign errors leaves none out."""

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

from contract.bucket.gcs.errors import FOREIGN, KINDS, kind_of, translated
from contract.bucket.port import BucketDenied, BucketError, BucketUnavailable, ObjectNotFound


def errors_of(module: ModuleType) -> list[type[Exception]]:
    """Every exception that a module defines; warnings are none."""
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and not issubclass(found, Warning) and found.__module__ == module.__name__
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
NOT_OF_REQUESTS = {urllib3.exceptions.InvalidHeader}  # an answer's header, where that of requests is a request's
REFUSED = {"Unauthorized", "Unauthenticated", "Forbidden", "PermissionDenied"}
WITHOUT_CREDENTIALS = set(errors_of(auth)) - {
    auth.TransportError,
    auth.TimeoutError,
    auth.ResponseError,
}


def test_the_modules_were_found() -> None:
    assert len(ALL) > 100


@pytest.mark.parametrize("error", ALL, ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_every_foreign_error_has_its_place(error: type[Exception]) -> None:
    assert issubclass(error, FOREIGN), "the bucket would let it through"
    kind = kind_of(error)
    if error is api.NotFound:
        assert kind is ObjectNotFound
    elif error in WITHOUT_CREDENTIALS or (error.__module__ == api.__name__ and error.__name__ in REFUSED):
        assert kind is BucketDenied
    elif (
        error.__name__ in PERMANENT
        and error.__module__ != auth.__name__
        and error is not urllib3.exceptions.InvalidHeader
    ):
        assert kind is BucketError
    else:
        assert kind is BucketUnavailable


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda error: error.__name__)
def test_what_is_caught_is_in_the_table(foreign: type[Exception]) -> None:
    assert any(base in KINDS for base in foreign.__mro__)


def test_what_is_not_foreign_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        kind_of(ZeroDivisionError)


def test_a_person_is_told_what_to_do() -> None:
    refused = translated("a/b", api.Forbidden("somebody lacks storage.objects.get"), "photos")
    assert str(refused).startswith("a/b: access to gs://photos is refused")
    assert "storage.objects.get" in str(refused)
    assert "roles/storage.objectUser" in str(refused)
    gave_up = translated("a/b", api.RetryError("Timeout of 60.0s exceeded", requests.ConnectionError("no way")), "p")
    assert str(gave_up) == "a/b: tried again until the time was up: ConnectionError: no way"
    later = translated("", auth.RefreshError("the metadata server is busy", retryable=True), "p")
    assert isinstance(later, BucketUnavailable)
    nobody = translated("", auth.DefaultCredentialsError("none"), "p")
    assert "gcloud auth application-default login" in str(nobody)
    assert len(str(translated("", api.BadGateway("<html>" * 1000), "p"))) < 500
