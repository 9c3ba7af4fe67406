"""Stand-in for the official `command` plugin: commands here and on hosts reached over SSH."""
