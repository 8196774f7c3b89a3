"""The demo: sample photos, progress and report."""
