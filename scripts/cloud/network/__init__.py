"""Networks of the lab: network namespaces, routers, names and addresses."""
