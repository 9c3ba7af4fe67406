"""The host that the server runs on: files, programs, packages, units. No SQL."""
