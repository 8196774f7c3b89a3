"""HTTP resources of the JSON API, one module per noun, and the `operation` decorator that they share."""
