"""Stand-in for the official `aws` plugin: the same configuration, resources and answers."""
