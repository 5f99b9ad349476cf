"""Benchmarks: what the RIS does, beside its peers and beside the floor of the machine."""
