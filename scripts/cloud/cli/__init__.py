"""What the lab's commands are made of."""
