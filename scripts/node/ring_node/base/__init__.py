"""What every room needs, and nothing of the host."""
