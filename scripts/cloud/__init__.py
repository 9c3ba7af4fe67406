"""The lab: a stand-in for AWS on one machine, and the command that runs the program in it."""
