"""What Google's client raises, in our words: which errors pass by themselves, and what mends the others."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from requests import exceptions as http

from backend.jobs.runner import RunnerError

START = "start"
FOLLOW = "follow"

# May have been accepted nevertheless: the answer was lost, or came too late.
UNCERTAIN: tuple[type[Exception], ...] = (
    api.ServerError,
    api.Cancelled,
    api.Unknown,
    api.RetryError,
    http.ConnectionError,
    http.Timeout,
)
# Refused for now, and surely not done.
REFUSED_FOR_NOW: tuple[type[Exception], ...] = (api.TooManyRequests, api.Aborted, auth.TransportError)
# No second try can help.
_LASTING: tuple[type[Exception], ...] = (api.MethodNotImplemented, api.DataLoss)

CLIENT_ERRORS: tuple[type[Exception], ...] = (
    api.GoogleAPICallError,
    api.RetryError,
    auth.GoogleAuthError,
    http.RequestException,
)
"""All that a call may raise."""

# The first line whose kind fits tells what to do; {job} is the job's full name.
_ROLES = {
    START: "grant it roles/run.jobsExecutorWithOverrides on the job",
    FOLLOW: "grant it roles/run.viewer, without which its tasks work but their end is not seen",
}
_MEANING: tuple[tuple[type[Exception], str], ...] = (
    (api.Forbidden, "the backend's service account may not {verb} {job}: {roles}"),
    (api.Unauthorized, "Cloud Run does not take the backend's credentials for {job}"),
    (api.NotFound, "there is no {job}: see GCP_PROJECT_ID, GCP_REGION and PROCESSOR_JOB_NAME, or deploy the job"),
    (api.TooManyRequests, "Cloud Run refuses to {verb} {job} for now, its quota is used up"),
    (api.ClientError, "Cloud Run refuses to {verb} {job}"),
    (api.ServerError, "Cloud Run did not manage to {verb} {job}"),
    (auth.DefaultCredentialsError, "the backend has no credentials to {verb} {job}: give its service one"),
    (auth.GoogleAuthError, "the backend got no token to {verb} {job}"),
    (Exception, "Cloud Run did not answer when asked to {verb} {job}"),
)


def passes(error: BaseException) -> bool:
    """Whether the same call may succeed a little later."""
    return isinstance(error, (*UNCERTAIN, *REFUSED_FOR_NOW)) and not isinstance(error, _LASTING)


def explained(error: Exception, verb: str, job: str) -> RunnerError:
    """The error in words: `verb` is START or FOLLOW."""
    sentence = next(text for kind, text in _MEANING if isinstance(error, kind))
    cause = getattr(error, "message", None) or str(error) or type(error).__name__
    return RunnerError(f"{sentence.format(verb=verb, job=job, roles=_ROLES[verb])} ({cause})")
