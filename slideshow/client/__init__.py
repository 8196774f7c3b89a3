"""HTTP client of the backend, and local backend processes."""
