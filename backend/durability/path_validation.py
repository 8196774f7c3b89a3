"""The addresses that tasks and sidecars report: each must lie where its kind of object does."""

from __future__ import annotations

from contract import object_names
from contract.bucket.port import Bucket, name_in, uri_of


class PathValidator:
    """Gives the stored form of a reported path in this bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def variant_uri(self, path: str, device_key: str, image_id: str) -> str:
        """The address of a reported variant. Raises ValueError unless it is one of this device and image.

        The model system's clients name their objects otherwise; for them `processed/` in our bucket is enough.
        """
        name = name_in(self._bucket, path)
        if not name.startswith(object_names.PROCESSED):
            raise ValueError(f"{name!r} does not lie under {object_names.PROCESSED}")
        parsed = object_names.device_of_variant(name)
        if parsed is not None and parsed != (device_key, image_id):
            raise ValueError(f"{name!r} is a picture of another device or image")
        return uri_of(self._bucket, name)

    def thumbnail_uri(self, path: str) -> str:
        """The address of a reported thumbnail. Raises ValueError unless it lies where thumbnails do."""
        name = name_in(self._bucket, path)
        if not name.startswith(object_names.THUMBNAILS):
            raise ValueError(f"{name!r} does not lie under {object_names.THUMBNAILS}")
        return uri_of(self._bucket, name)
