"""Fuzz the verification of the scheduler's Google ID tokens, with a certificate that is generated here.

The key is generated in each process, so tokens of an earlier corpus have invalid signatures.
"""

from __future__ import annotations

import atexit
import base64
import functools
import threading
from collections.abc import Sequence

from test_core_scheduler_identity import ACCOUNT, AUDIENCE, Google

from backend.auth.google_oidc import SchedulerIdentity
from backend.http.errors import Forbidden
from tests.fuzz.sentences import DEEP, spoken


@functools.cache
def _google() -> Google:
    google = Google()
    threading.Thread(target=google.server.serve_forever, args=(0.05,), daemon=True).start()
    atexit.register(google.server.server_close)
    atexit.register(google.server.shutdown)
    return google


@functools.cache
def _identity() -> SchedulerIdentity:
    # The clock stands still, so that certificates are fetched only once.
    return SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=_google().url, monotonic=lambda: 0.0)


@functools.cache
def seeds() -> Sequence[bytes]:
    changes: tuple[dict[str, object], ...] = ({}, {"exp": 1}, {"aud": "another"}, {"email": None}, {"iss": "me"})
    deep = base64.urlsafe_b64encode(DEEP)
    return [*(_google().token(**change).encode() for change in changes), deep + b"." + deep + b".AAAA"]


def check(data: bytes) -> None:
    try:
        _identity().check(data.decode("latin-1"))
    except Forbidden as problem:
        spoken(problem, start="invalid token: ", end="")
        return
    # Compare the signed part only: Base64 allows several spellings of the signature.
    signed, _, _ = data.rpartition(b".")
    assert signed == seeds()[0].rpartition(b".")[0], "only Google can sign a token"
