"""Services inside the lab's cloud: instance metadata, the mirror, certificates, HTTP servers."""
