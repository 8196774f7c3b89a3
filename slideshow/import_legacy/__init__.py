"""Import of the legacy system's database."""
