"""HTTP: sockets, the server, admission, answers."""
