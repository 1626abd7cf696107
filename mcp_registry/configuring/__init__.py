"""Pages and API of a server's configuration: its settings, its generations, its clones, and what is kept of deleted servers."""
