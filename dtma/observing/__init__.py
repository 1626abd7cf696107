"""What is observed, and who is told."""
