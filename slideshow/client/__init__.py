"""Access to backends: the HTTP client, local backend processes, and their data folders."""
