"""What servers printed: read from their toolboxes, streamed to pages, and downloaded."""
