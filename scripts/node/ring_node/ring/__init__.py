"""Two servers as one ring: what a node is told, what it remembers, what it decides."""
