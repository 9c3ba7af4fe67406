"""One module for each verb of `ring-node`. None imports another."""
