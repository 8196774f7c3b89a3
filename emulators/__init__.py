"""Strict local emulators of the Google Cloud services that this project calls."""
