"""Colour values that both programs compute in the same way: sRGB, histograms and palettes."""
