"""Kernels under test: finding, fetching, building against and packing them."""
