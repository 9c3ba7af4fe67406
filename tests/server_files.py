"""The document of `restart`: what a server has to run with."""

import hashlib
import json


def document(my_cnf: str, keys: str) -> str:
    """For a my.cnf and the document of `tls`."""
    certificate = json.loads(keys)["certificate"].strip() + "\n"
    texts = {"my_cnf": my_cnf, "certificate": certificate}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return json.dumps(digests)
