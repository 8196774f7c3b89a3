"""What claims to be a token of Google's for the scheduler: checked against a certificate that is made here.

The key is made anew in each process, so what was learned of its tokens earlier only looks like them.
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
from fuzz.sentences import DEEP, spoken


@functools.cache
def _google() -> Google:
    made = Google()
    threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True).start()
    atexit.register(made.server.server_close)
    atexit.register(made.server.shutdown)
    return made


@functools.cache
def _identity() -> SchedulerIdentity:
    # The clock stands still: one fetch is enough for all.
    return SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=_google().url, monotonic=lambda: 0.0)


@functools.cache
def seeds() -> Sequence[bytes]:
    changes: tuple[dict[str, object], ...] = ({}, {"exp": 1}, {"aud": "another"}, {"email": None}, {"iss": "me"})
    deep = base64.urlsafe_b64encode(DEEP)
    return [*(_google().token(**change).encode() for change in changes), deep + b"." + deep + b".AAAA"]


def check(data: bytes) -> None:
    try:
        _identity().check(data.decode("latin-1"))
    except Forbidden as refusal:
        spoken(refusal, start="this ", end="")
        return
    # What is signed; of the signature itself a lenient reader takes several spellings.
    said, _, _ = data.rpartition(b".")
    assert said == seeds()[0].rpartition(b".")[0], "nobody but Google can make a token"
