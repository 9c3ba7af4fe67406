"""Binary logs and backups in the bucket: what is put there, found there and taken back."""
