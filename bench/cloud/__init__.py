"""Google Cloud, imitated on 127.0.0.1 by servers that real clients talk to.

They stand here, beside the measurements, since three need them: the tests, the demonstration of the
whole system on cloud parts, and the benchmarks that set distance and bandwidth. None of it is shipped
with the programs.
"""
