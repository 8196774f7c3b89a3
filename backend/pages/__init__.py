"""HTML pages, rendered on the server and themed with the colours of the newest photo."""
