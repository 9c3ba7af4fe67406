"""The AWS API of the lab: moto's server, extended where AWS does more."""
