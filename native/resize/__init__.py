"""Kernels that resize pictures and apply a colour profile to them."""
