"""Tests, and the suites that need the whole system: fault injection, load, fuzzing."""
