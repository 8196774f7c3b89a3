"""Material schemes as they travel over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from contract.messages import Colour, Palette

SchemeVariant = Literal["tonal_spot", "vibrant", "neutral", "fidelity"]
SchemeContrast = Annotated[float, Meta(ge=-1, le=1)]


class ColourSchemes(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Two Material 3 schemes from one source colour: each role's colour by its name, such as `onPrimary`.

    `color_palette` is there for two photos together: the palette of both, whose source colour this is.
    """

    source_color: Colour
    variant: SchemeVariant
    contrast: SchemeContrast
    light: dict[str, Colour]
    dark: dict[str, Colour]
    color_palette: Palette | None = None
