"""Runner that executes a Cloud Run job."""
