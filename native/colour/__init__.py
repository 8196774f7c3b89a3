"""Kernels of the colour quantizer (Wu, k-means in Lab) and of the Material colour score."""
