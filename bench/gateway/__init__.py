"""The gateway measured: `python -m bench.gateway`."""
