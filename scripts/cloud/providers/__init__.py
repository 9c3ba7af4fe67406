"""Stand-ins for the official Pulumi plugins, used where those are not installed."""
