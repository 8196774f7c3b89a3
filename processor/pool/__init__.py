"""Render threads, their memory budget, and the sandbox process for quarantined images."""
