"""Colour families, Material schemes and the palette of a pair. Pure."""
