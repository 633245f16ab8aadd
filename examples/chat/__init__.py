"""A chat in which one login serves the pages and the sockets."""
