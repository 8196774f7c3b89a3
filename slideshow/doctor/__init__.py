"""Checks of a deployment: one module per checked part."""
