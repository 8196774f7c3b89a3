"""Kernels that resize pictures and convert their colours."""
