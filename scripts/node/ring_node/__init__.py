"""What runs on a database host: each verb reads what is, acts on the difference, verifies."""
