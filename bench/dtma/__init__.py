"""What DTMA costs, without a control plane: ``python -m bench.dtma``."""
