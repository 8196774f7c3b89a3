"""Message types that the backend, the tasks, frames and the command line exchange as JSON, and errors of decoding."""

from __future__ import annotations

import msgspec

from contract.messages.processing import Device

__all__ = ["DECODE_ERRORS", "Device"]

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Errors that msgspec raises for untrusted bytes; catch all three.

The bytes are not JSON or not of the expected type, the text is not UTF-8, or lists are nested too deeply.
"""
