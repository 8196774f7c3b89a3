"""The command line: a demo of the whole system, local rendering, and calls to a backend near or far."""
