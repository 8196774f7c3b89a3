"""Checks of the bucket: every operation that the backend needs, tried on a temporary object."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from slideshow.doctor.finding import Finding, odd, ok, service_account, wrong

if TYPE_CHECKING:
    from backend.settings import Settings
    from contract.bucket.port import Bucket

TRIAL = "state/doctor/"
ARCHIVE_DAYS = 30


def examine(settings: Settings) -> Iterator[Finding]:
    """Check that the bucket answers, that the backend has all permissions, and that the lifecycle rule is set."""
    from contract.bucket.open import open_bucket
    from contract.bucket.port import BucketError

    try:
        bucket = open_bucket(settings.bucket, connections=2)
        bucket.probe()
    except BucketError as error:
        yield wrong("bucket", str(error), _grant_access(settings))
        return
    except ValueError as error:
        yield wrong("bucket", f"BUCKET_URL: {error}", "set BUCKET_URL=gs://name or GCS_BUCKET_NAME=name")
        return
    yield ok("bucket", f"{bucket.url} answers")
    try:
        yield _operations(bucket)
    except BucketError as error:
        yield wrong(
            "bucket", f"an object cannot be written, read, listed and removed: {error}", _grant_access(settings)
        )
        return
    yield _lifecycle_rule(bucket, settings)


def _operations(bucket: Bucket) -> Finding:
    """Write, read, list, overwrite and remove an object. Raises BucketError for the first operation that fails."""
    from contract.bucket.port import NO_OBJECT, ObjectChanged

    name = f"{TRIAL}{secrets.token_hex(8)}.json"
    content = secrets.token_bytes(64)
    generation = bucket.write_if(name, content, "application/json", NO_OBJECT)
    try:
        read = bucket.read(name)
        listed = any(entry.name == name for entry in bucket.list(TRIAL))
        try:
            bucket.write_if(name, b"{}", "application/json", NO_OBJECT)
            conditional = False
        except ObjectChanged:
            conditional = True
        bucket.write_if(name, b"{}", "application/json", generation)
    finally:
        bucket.delete(name)
    for passed, error in (
        (read == content, "an object is read with other content than was written"),
        (listed, "a new object is missing from the listing"),
        (conditional, "generation preconditions are ignored: two backends could overwrite each other's changes"),
    ):
        if not passed:
            return wrong("bucket", error, "use Google Cloud Storage itself, or a folder on a local disk")
    return ok("bucket", "an object was written, read, listed, overwritten and removed")


def _lifecycle_rule(bucket: Bucket, settings: Settings) -> Finding:
    """Check the lifecycle rule for archived sidecars, and add it if it is missing, as the backend does at its start."""
    from contract.bucket.port import BucketDenied, BucketError
    from contract.object_names import ARCHIVE

    try:
        added = bucket.expire(ARCHIVE, ARCHIVE_DAYS)
    except BucketDenied as error:
        project = settings.gcp_project_id or "PROJECT"
        return odd(
            "bucket",
            f"archived sidecars are never removed, because the lifecycle rule cannot be read or set: {error}",
            f"gcloud storage buckets add-iam-policy-binding {bucket.url} --member {service_account(project)} "
            f"--role projects/{project}/roles/slideshowBucketRules",
        )
    except BucketError as error:
        return odd("bucket", f"the lifecycle rule could not be checked: {error}", "run the doctor again")
    note = "; this lifecycle rule was just added" if added else ""
    return ok("bucket", f"archived sidecars are removed after {ARCHIVE_DAYS} days{note}")


def _grant_access(settings: Settings) -> str:
    """Return the command that gives the backend access to the bucket."""
    if not settings.bucket.startswith("gs://"):
        return f"make {settings.bucket} a folder that this user can write to"
    return (
        f"gcloud storage buckets add-iam-policy-binding {settings.bucket} "
        f"--member {service_account(settings.gcp_project_id or 'PROJECT')} --role roles/storage.objectUser"
    )
