"""HTTP/1.1 (RFC 9110 and 9112): messages, a sans-I/O parser, and a server protocol."""
