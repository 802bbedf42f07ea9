"""Runs an exercise's file as its own program would run, and tells how much CPU time it used when it is asked.

    python3 -m demos.lessons.broken.launcher FILE

Each line on standard input is answered with one on standard output.  A process can tell this of itself on every
system; of another, only on some.
"""
from __future__ import annotations

import os
import runpy
import sys
import threading
import time

ANSWER = "CPU seconds so far: "


def tell() -> None:
    """Answer each line of standard input until it ends; then nobody needs this process any more."""
    while os.read(0, 1):
        os.write(1, f"{ANSWER}{time.process_time()}\n".encode())
    os._exit(0)


def main() -> None:
    """Run the file, on a free port."""
    threading.Thread(target=tell, daemon=True).start()
    path = sys.argv[1]
    sys.argv = [path, "0"]
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    main()
