"""Emulator of Cloud Tasks (API v2): one queue that delivers HTTP tasks, over gRPC."""
