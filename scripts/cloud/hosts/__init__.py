"""Hosts of the lab: Debian 12 in systemd-nspawn, one for each instance of the API."""
