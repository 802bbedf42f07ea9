"""Programs to run in a terminal; `python3 -m demos` runs every server at once."""
