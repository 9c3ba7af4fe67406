"""The MySQL server of a node: its my.cnf and the steps that install, configure and secure it."""
