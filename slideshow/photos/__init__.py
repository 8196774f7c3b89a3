"""Photos in local folders: search, reading, rendering."""
