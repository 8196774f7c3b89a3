"""Values in the database of the legacy system, whose columns accept any type: as text, as bytes and as a number."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

from slideshow.import_legacy.reader import colours, moment
from tests.fuzz.sentences import DEEP


def seeds() -> Sequence[bytes]:
    return [
        b"2024-05-01 10:20:30",
        b"2024-05-01T10:20:30.123+02:00",
        b"1714558830",
        b"1714558830123.5",
        b'["#102030", "#405060"]',
        b'[{"hex": "#102030", "population": 5}, {"hex": null}]',
        b"0001-01-01T00:00:00+23:59",
        DEEP,
    ]


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    values: list[object] = [text, data, None]
    with contextlib.suppress(ValueError):
        values.append(float(text))
    for value in values:
        seconds = moment(value)
        assert seconds is None or math.isfinite(seconds)
        assert all(isinstance(colour, str) for colour in colours(value))
