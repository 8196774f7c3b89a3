"""`make demo-cloud`: the demo against the emulators and against the local disk, compared byte by byte."""
