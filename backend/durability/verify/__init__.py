"""Comparison of database and bucket, and its repair."""
