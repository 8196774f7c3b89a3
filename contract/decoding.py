"""What msgspec raises over bytes that are not what they should be."""

from __future__ import annotations

import msgspec

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""No JSON, or not that of the type; text that is not UTF-8; lists within lists beyond any sense. Catch all three."""
