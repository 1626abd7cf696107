"""What a container may and may not do."""
