"""Compare bucket and database, check the content of objects, and repair differences."""
