"""Hue groups, Material colour schemes, and the palette of a pair. Pure functions."""
