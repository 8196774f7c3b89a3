"""Rules of the Cloud Storage API that need no state: names, preconditions, metadata, lifecycle and soft delete.

`emulators.invariants` lists every rule with its source.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import google_crc32c

MAX_NAME_BYTES = 1024
MAX_LIFECYCLE_RULES = 100
DAY = 86_400
DEFAULT_SOFT_DELETE_SECONDS = 7 * DAY
MIN_SOFT_DELETE_SECONDS, MAX_SOFT_DELETE_SECONDS = 7 * DAY, 90 * DAY

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]")
_UPLOAD_FIELDS = {"name", "contentType", "cacheControl", "crc32c", "md5Hash"}
_ACTIONS = {"Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"}
_DAY_CONDITIONS = {"age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions"}
_CONDITIONS = _DAY_CONDITIONS | {
    "createdBefore",
    "customTimeBefore",
    "isLive",
    "matchesPattern",
    "matchesPrefix",
    "matchesStorageClass",
    "matchesSuffix",
    "noncurrentTimeBefore",
}


class ApiError(Exception):
    """An error response: HTTP status, the API's `reason`, and a message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def not_found(what: str) -> ApiError:
    """Return the error for a missing bucket or object."""
    return ApiError(404, "notFound", f"{what} does not exist.")


def invalid(message: str) -> ApiError:
    """Return the error for a value that the API does not accept."""
    return ApiError(400, "invalid", message)


def crc32c_text(data: bytes) -> str:
    """Return the checksum in the API's encoding: base64 of four bytes, big-endian."""
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def check_bucket_name(name: str) -> None:
    """Raise ApiError 400 unless the name is one that a bucket may have."""
    if not _BUCKET_NAME.fullmatch(name) or name.startswith("goog") or "google" in name:
        raise invalid(f"Invalid bucket name: {name!r}.")


def check_object_name(name: str) -> None:
    """Raise ApiError 400 unless the name is one that an object may have."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise invalid("The object name is not valid Unicode.") from None
    if not name:
        raise ApiError(400, "required", "Required parameter: name")
    forbidden = name in (".", "..") or name.startswith(".well-known/acme-challenge/")
    if size > MAX_NAME_BYTES or "\r" in name or "\n" in name or forbidden:
        raise invalid("Disallowed object name.")


def check_preconditions(
    query: Mapping[str, str], generation: int, metageneration: int, side: str = "", *, exists: bool = True
) -> None:
    """Raise ApiError 412 or 304 unless the preconditions hold.

    Args:
        query: Query parameters of the request.
        generation: Current generation, 0 without an object.
        metageneration: Current metageneration.
        side: "Source" for the source of a copy, else empty.
        exists: Whether there is a live object.
    """
    for field, current in (("Generation", generation), ("Metageneration", metageneration)):
        required, excluded = query.get(f"if{side}{field}Match"), query.get(f"if{side}{field}NotMatch")
        if required is not None and int(required) != current:
            raise ApiError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        if excluded is not None and (int(excluded) == current or not exists):
            raise ApiError(304, "notModified", "Not Modified")


def check_upload(metadata: Mapping[str, Any], data: bytes) -> None:
    """Raise ApiError unless the uploaded metadata is complete, implemented here, and has the data's checksums."""
    if unknown := set(metadata) - _UPLOAD_FIELDS:
        raise ApiError(501, "notImplemented", f"uploads with {sorted(unknown)} are not implemented by this emulator")
    check_object_name(str(metadata.get("name", "")))
    crc32c, md5 = crc32c_text(data), base64.b64encode(hashlib.md5(data).digest()).decode()
    if metadata.get("crc32c", crc32c) != crc32c:
        raise invalid(f"Provided CRC32C {metadata['crc32c']} does not match calculated CRC32C {crc32c}.")
    if metadata.get("md5Hash", md5) != md5:
        raise invalid(f"Provided MD5 hash {metadata['md5Hash']} does not match calculated MD5 hash {md5}.")


def check_lifecycle(rules: Sequence[Mapping[str, Any]], existing: Sequence[Mapping[str, Any]]) -> None:
    """Raise ApiError 400 for a lifecycle rule that the service rejects. A rule that the bucket has already is valid."""
    if len(rules) > MAX_LIFECYCLE_RULES:
        raise invalid(f"A bucket has at most {MAX_LIFECYCLE_RULES} lifecycle rules.")
    for rule in rules:
        if rule in existing:
            continue
        action, condition = rule.get("action", {}), rule.get("condition", {})
        if action.get("type") not in _ACTIONS:
            raise invalid(f"Unknown lifecycle action: {action}.")
        if (action["type"] == "SetStorageClass") != ("storageClass" in action):
            raise invalid("A storage class is required for SetStorageClass, and for no other action.")
        if not condition or (unknown := set(condition) - _CONDITIONS):
            raise invalid(f"A rule needs a condition, and only known ones: {sorted(unknown) if condition else 'none'}.")
        for name in _DAY_CONDITIONS & set(condition):
            if not isinstance(condition[name], int) or condition[name] < 0:
                raise invalid(f"{name} is not a whole number of at least 0: {condition[name]!r}.")


def is_due(rule: Mapping[str, Any], name: str, age_days: float) -> bool:
    """Return True if a Delete rule applies to an object. Only the conditions of this project are implemented."""
    condition = rule["condition"]
    if rule["action"]["type"] != "Delete" or set(condition) - {"age", "matchesPrefix", "matchesSuffix"}:
        return False
    return (
        age_days >= condition.get("age", 0)
        and name.startswith(tuple(condition.get("matchesPrefix", [""])))
        and name.endswith(tuple(condition.get("matchesSuffix", [""])))
    )


def soft_delete_seconds(policy: Mapping[str, Any]) -> int:
    """Return the retention of a soft delete policy in seconds, 0 if it is disabled. Raises ApiError 400."""
    seconds = int(policy.get("retentionDurationSeconds", -1))
    if seconds != 0 and not MIN_SOFT_DELETE_SECONDS <= seconds <= MAX_SOFT_DELETE_SECONDS:
        raise invalid("The soft delete retention must be 0, or between 7 and 90 days.")
    return seconds
