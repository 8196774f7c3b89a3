"""Benchmarks of the pipeline and of the whole system, compared with competitors: `python -m bench list`."""
