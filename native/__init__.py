"""Compiled kernels and nothing else: numpy in, numpy out."""
