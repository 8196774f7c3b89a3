"""Measurements of the whole system: a real backend with real tasks, their resources, and an emulated network."""
