"""X-ray: what any program on select() does, shown without changing a line of it.  See README.md."""
