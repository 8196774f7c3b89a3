"""A backend under load: everybody who may call it does so at once. `python -m bench.load`, or `make load`."""
