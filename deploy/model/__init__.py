"""The embedded model, an optional extra: fetched, checked and built by `make model`, run by `make run` in a container of its own."""
