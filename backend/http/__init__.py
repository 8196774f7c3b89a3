"""Falcon and uvicorn glue that does not depend on photos."""
