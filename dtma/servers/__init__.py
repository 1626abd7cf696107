"""Bringing servers to what is desired of them."""
