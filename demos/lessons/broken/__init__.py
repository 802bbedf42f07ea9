"""Servers with one fault each, to be mended: python3 -m demos.lessons.broken lists them."""
