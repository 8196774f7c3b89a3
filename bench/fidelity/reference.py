"""Open a photo with Pillow, which shares neither decoders' settings nor colour code with the renderer.

Pillow decodes JPEG, PNG, WebP, GIF, TIFF and AVIF (libavif). HEIC is decoded by libheif through Pillow's plugin.
ImageCms (lcms) applies the ICC profile. Pillow applies no code points, so HDR and wide code points differ by design.
"""

from __future__ import annotations

import io

import pi_heif
from PIL import Image, ImageCms, ImageOps

pi_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None
MAX_PIXELS = 150_000_000
"""More than the renderer accepts, and less than fills the memory."""


def reference(data: bytes) -> tuple[Image.Image, str]:
    """Return the first frame upright in sRGB over white, and the name of the decoder. Raises what Pillow raises."""
    image: Image.Image = Image.open(io.BytesIO(data))
    kind = image.format or "?"
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are too many to decode")
    image.load()
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I;16", "I;16B", "I"):
        upright = upright.point(lambda level: level / 256).convert("L")
    upright, alpha = _split(upright)
    if profile:
        upright = _to_srgb(upright, profile)
    opaque = upright.convert("RGB")
    if alpha is not None:
        opaque = Image.composite(opaque, Image.new("RGB", opaque.size, "white"), alpha)
    decoder = "Pillow with libheif" if kind == "HEIF" else f"Pillow ({kind})"
    return opaque, decoder + (" and ImageCms" if profile else "")


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours and the alpha channel, or None."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        full = image.convert("RGBA")
        return full.convert("RGB"), full.getchannel("A")
    return (image.convert("RGB") if image.mode == "P" else image), None


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert by lcms; a profile that does not fit the image is ignored, as in the renderer."""
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted if converted is not None else image
