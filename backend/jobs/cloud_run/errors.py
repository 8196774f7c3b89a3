"""Translate the errors of Google's client: which errors are transient, and what fixes permanent errors."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from requests import exceptions as http

from backend.jobs.runner import RunnerError

START = "start"
FOLLOW = "follow"

# The outcome is unknown: the call may have been accepted, but its response was lost or late.
UNCERTAIN: tuple[type[Exception], ...] = (
    api.ServerError,
    api.Cancelled,
    api.Unknown,
    api.RetryError,
    http.ConnectionError,
    http.Timeout,
)
# Rejected for now, and certainly not executed.
REJECTED_FOR_NOW: tuple[type[Exception], ...] = (api.TooManyRequests, api.Aborted, auth.TransportError)
_PERMANENT: tuple[type[Exception], ...] = (api.MethodNotImplemented, api.DataLoss)

CLIENT_ERRORS: tuple[type[Exception], ...] = (
    api.GoogleAPICallError,
    api.RetryError,
    auth.GoogleAuthError,
    http.RequestException,
)
"""All errors that a call may raise."""

_ROLES = {
    START: "grant this account roles/run.jobsExecutorWithOverrides on the job",
    FOLLOW: "grant this account roles/run.viewer; without this role, tasks work, but no end is recorded",
}
# The first matching type gives the sentence. {job} is the full name of the job.
_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (api.Forbidden, "the backend's service account is not allowed to {verb} {job}: {roles}"),
    (api.Unauthorized, "Cloud Run rejects the backend's credentials for {job}"),
    (api.NotFound, "{job} does not exist: check GCP_PROJECT_ID, GCP_REGION and PROCESSOR_JOB_NAME, or deploy the job"),
    (api.TooManyRequests, "Cloud Run cannot {verb} {job} now, because its quota is used up"),
    (api.ClientError, "Cloud Run rejects the call to {verb} {job}"),
    (api.ServerError, "Cloud Run failed to {verb} {job}"),
    (auth.DefaultCredentialsError, "the backend has no credentials to {verb} {job}: set a service account"),
    (auth.GoogleAuthError, "the backend got no access token to {verb} {job}"),
    (Exception, "Cloud Run did not respond to the request to {verb} {job}"),
)


def is_transient(error: BaseException) -> bool:
    """Return True if the same call may succeed a little later."""
    return isinstance(error, (*UNCERTAIN, *REJECTED_FOR_NOW)) and not isinstance(error, _PERMANENT)


def runner_error(error: Exception, verb: str, job: str) -> RunnerError:
    """Return the error with a sentence that contains the remedy. `verb` is START or FOLLOW."""
    sentence = next(text for kind, text in _SENTENCES if isinstance(error, kind))
    cause = getattr(error, "message", None) or str(error) or type(error).__name__
    return RunnerError(f"{sentence.format(verb=verb, job=job, roles=_ROLES[verb])} ({cause})")
