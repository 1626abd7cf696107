"""How long pages take where there is a lot to show: `python -m bench.pages`."""
