"""The image pipeline: one photo in, one variant per device, a thumbnail and the palette out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.render.pipeline import render_image

__all__ = ["render_image"]


def __getattr__(name: str) -> object:
    """Import the pipeline, with libvips and numba behind it, when `render_image` is used for the first time."""
    if name != "render_image":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from processor.render.pipeline import render_image

    return render_image
