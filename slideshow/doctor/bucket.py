"""The doctor's look at the bucket: all that the backend does with one, tried with an object of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from slideshow.doctor.finding import Finding, account_of, fine, wrong

if TYPE_CHECKING:
    from backend.settings import Settings
    from contract.bucket.port import Bucket

TRIAL = "state/doctor/"
ARCHIVE_DAYS = 30


def examine(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, whether we may do all we need, and whether its rule of age is there."""
    from contract.bucket.open import open_bucket
    from contract.bucket.port import BucketError

    try:
        bucket = open_bucket(settings.bucket, connections=2)
        bucket.probe()
    except BucketError as error:
        yield wrong("bucket", str(error), _mend(settings))
        return
    except ValueError as error:
        yield wrong("bucket", f"BUCKET_URL: {error}", "set BUCKET_URL=gs://name or GCS_BUCKET_NAME=name")
        return
    yield fine("bucket", f"{bucket.url} answers")
    try:
        yield from _tried(bucket)
    except BucketError as error:
        yield wrong("bucket", f"an object cannot be written, read, listed and removed: {error}", _mend(settings))
        return
    yield _rule(bucket, settings)


def _tried(bucket: Bucket) -> Iterator[Finding]:
    """Raises BucketError at the first thing that we may not do; removes what it wrote."""
    from contract.bucket.port import NO_OBJECT, ObjectChanged

    name = f"{TRIAL}{secrets.token_hex(8)}.json"
    content = secrets.token_bytes(64)
    generation = bucket.write_if(name, content, "application/json", NO_OBJECT)
    try:
        read = bucket.read(name)
        listed = any(entry.name == name for entry in bucket.list(TRIAL))
        try:
            bucket.write_if(name, b"{}", "application/json", NO_OBJECT)
            guarded = False
        except ObjectChanged:
            guarded = True
        bucket.write_if(name, b"{}", "application/json", generation)
    finally:
        bucket.delete(name)
    for well, fault in (
        (read == content, "what was written is read back otherwise"),
        (listed, "a new object is not listed at once"),
        (guarded, "conditions on generations are not kept: two backends could overwrite each other"),
    ):
        if not well:
            yield wrong("bucket", fault, "use Google Cloud Storage itself, or a folder on a local disk")
            return
    yield fine("bucket", "an object was written, read, listed, written over and removed")


def _rule(bucket: Bucket, settings: Settings) -> Finding:
    """The rule of age, added if it is missing, as the backend does by itself."""
    from contract.bucket.port import BucketDenied, BucketError
    from contract.object_names import ARCHIVE

    try:
        added = bucket.expire(ARCHIVE, ARCHIVE_DAYS)
    except BucketDenied as error:
        project = settings.gcp_project_id or "PROJECT"
        return Finding(
            "odd",
            "bucket",
            f"archived sidecars are never removed, since the rule of age cannot be seen or set: {error}",
            f"gcloud storage buckets add-iam-policy-binding {bucket.url} --member {account_of(project)} "
            f"--role projects/{project}/roles/slideshowBucketRules",
        )
    except BucketError as error:
        return Finding("odd", "bucket", f"the rule of age: {error}", "run the doctor again")
    return fine("bucket", f"archived sidecars go after {ARCHIVE_DAYS} days" + (" (just added)" if added else ""))


def _mend(settings: Settings) -> str:
    if not settings.bucket.startswith("gs://"):
        return f"make {settings.bucket} a folder that this user may write to"
    return (
        f"gcloud storage buckets add-iam-policy-binding {settings.bucket} "
        f"--member {account_of(settings.gcp_project_id or 'PROJECT')} --role roles/storage.objectUser"
    )
