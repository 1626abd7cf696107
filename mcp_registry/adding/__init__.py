"""Adding entries of one's own: by the name of a package, by an image, by a ``server.json`` or by a client's configuration."""
