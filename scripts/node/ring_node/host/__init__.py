"""The host that a server runs on: files, programs, packages, units, addresses. No MySQL."""
