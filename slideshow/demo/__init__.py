"""The demo: sample photos, the run against a backend, progress, and the report."""
