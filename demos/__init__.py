"""Programs to run in a terminal: `python3 -m demos` serves everything, README.md says what to type."""
