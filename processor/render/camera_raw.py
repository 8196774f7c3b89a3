"""Replace a camera raw file by the JPEG that its camera embedded, before any header is read or pixel decoded."""

from __future__ import annotations

from contract.image_header.embedded_jpeg import embedded_photo
from contract.image_header.raw import FIRST_BYTES, may_be_raw, read_camera_raw
from processor.codecs.download_buffer import Original, beginning_of, content_of
from processor.errors import NotAllowed


def photo_in(original: Original, name: str) -> Original:
    """Return the file to decode: the original, or the embedded JPEG of a camera raw file.

    A file that begins like TIFF may be a camera raw file, and is awaited to its end.

    Raises:
        NotAllowed: The camera raw file has no JPEG that is large enough.
        DownloadFailed: The file did not arrive completely.
    """
    if not may_be_raw(beginning_of(original)[:FIRST_BYTES]):
        return original
    data = content_of(original)
    raw = read_camera_raw(data)
    if raw is None:
        return original
    if not raw.is_usable:
        raise NotAllowed(name, raw.rejection, "Export it as JPEG")
    return embedded_photo(data, raw)
