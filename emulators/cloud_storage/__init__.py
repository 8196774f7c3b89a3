"""Emulator of the Cloud Storage JSON API."""
