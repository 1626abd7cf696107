"""A package, so that what its tests share goes with its last test."""
