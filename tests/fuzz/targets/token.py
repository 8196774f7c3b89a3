"""ID tokens of the scheduler, checked against a certificate that this process generates.

Each process has a new key, so tokens saved by an earlier run have an invalid signature.
"""

from __future__ import annotations

import atexit
import base64
import functools
import threading
from collections.abc import Sequence

from backend.auth.google_oidc import SchedulerIdentity
from backend.http.errors import Forbidden
from tests.backend.auth.test_google_oidc import ACCOUNT, AUDIENCE, Google
from tests.fuzz.sentences import DEEP, check_message


@functools.cache
def _google() -> Google:
    google = Google()
    threading.Thread(target=google.server.serve_forever, args=(0.05,), daemon=True).start()
    atexit.register(google.server.server_close)
    atexit.register(google.server.shutdown)
    return google


@functools.cache
def _identity() -> SchedulerIdentity:
    # A constant clock: the certificates are fetched once.
    return SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=_google().url, monotonic=lambda: 0.0)


@functools.cache
def seeds() -> Sequence[bytes]:
    changes: tuple[dict[str, object], ...] = ({}, {"exp": 1}, {"aud": "another"}, {"email": None}, {"iss": "me"})
    deep = base64.urlsafe_b64encode(DEEP)
    return [*(_google().token(**change).encode() for change in changes), deep + b"." + deep + b".AAAA"]


def check(data: bytes) -> None:
    try:
        _identity().check(data.decode("latin-1"))
    except Forbidden as error:
        check_message(error, start="invalid token: ", end="")
        return
    # Only the signed part is compared: base64 decoders accept several spellings of a signature.
    signed, _, _ = data.rpartition(b".")
    assert signed == seeds()[0].rpartition(b".")[0], "a token passed that Google did not sign"
