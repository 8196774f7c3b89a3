"""Fault-injection suite over the whole system."""
