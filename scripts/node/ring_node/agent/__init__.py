"""What runs on a host all the time, as a service."""
