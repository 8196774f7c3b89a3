"""Emulator of Cloud Run jobs (Admin API v2), over gRPC and REST."""
