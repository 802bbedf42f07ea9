"""What reads the events of the loop: the trace, the recording, and how every connection stands.  See README.md."""
