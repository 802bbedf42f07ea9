"""What the bytes mean: pure protocol objects, without reactor, socket or clock."""
