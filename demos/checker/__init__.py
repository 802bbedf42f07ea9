"""What `python3 -m demos.check` is made of: README.md beside this file says how to read and extend it."""
