"""Everything that backend and processor share: messages, object names, the bucket and its errors, colour values.

Importing it loads nothing but msgspec and the standard library, so every script can afford it.
Third-party clients are imported in `contract.bucket.gcs` alone, when a `gs://` bucket is opened.
"""
