"""Benchmarks: ratios against the official client, on the same bytes, in one run."""
