"""The operator's command: what a person does with a ring that stands, from any machine that reads
the stack and reaches the nodes over SSH. What changes a node is `ring-node`, there."""
