"""HTTP client for the processing API of the backend."""
