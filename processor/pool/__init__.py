"""Render threads, their memory budget, and the sandbox process for photos that ended an attempt."""
