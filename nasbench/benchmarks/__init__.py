"""Benchmarks, one a file; each file holds a `BENCHMARK`."""
