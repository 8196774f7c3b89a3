"""Photos in local folders: search, reading, rendering, and pages that show the results."""
