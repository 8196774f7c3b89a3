"""The image pipeline: render one photo for every device, with a thumbnail and a palette."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.render.pipeline import render_image

__all__ = ["render_image"]


def __getattr__(name: str) -> object:
    """Import the pipeline, which imports libvips and numba, when `render_image` is first used."""
    if name != "render_image":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from processor.render.pipeline import render_image

    return render_image
