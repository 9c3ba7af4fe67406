"""Binary logs and backups in the bucket, and what is brought back from there."""
