"""Conversion of decoded pixels to sRGB."""
