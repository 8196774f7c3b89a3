"""Breaking the whole system on purpose, seeded: `python -m bench.chaos --seeds 50`, or `make chaos SEEDS=50`."""
