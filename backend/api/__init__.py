"""HTTP resources of the JSON API, one module per noun."""
