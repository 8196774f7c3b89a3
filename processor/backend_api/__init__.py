"""HTTP calls to the backend's processing API."""
