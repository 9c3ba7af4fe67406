"""What Pulumi declares. One noun per file; `ring.Ring` is the whole of it."""
