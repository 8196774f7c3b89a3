"""Import of the legacy system's database into the bucket and the database."""
