"""The shuffle queue: order of photos, filters, and pairs. Pure functions."""
