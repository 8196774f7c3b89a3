"""The command line: a demo of the whole system, local rendering, and commands for a local or remote backend."""
