"""One MySQL 5.6 server. Nothing here knows that it has a peer."""
