"""Run a server in this process and tell, each time a byte comes on standard input, what it has cost so far.

    python3 -m demos.lessons.observed demos.lessons.step_2 --port 0

The process ends with its standard input, so it cannot outlive whoever started it.
"""
from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import Optional

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def most_memory() -> Optional[int]:
    """Bytes of memory that this process held at most; None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # no Linux
    if resource is None:
        return None
    # On Linux this would count what the parent held when it made this process.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def report() -> None:
    """Answer each byte with one line: CPU seconds, bytes of memory (or -), threads that serve."""
    while os.read(0, 1):
        threads = threading.active_count() - 1  # this one does not serve
        os.write(1, f"{time.process_time()} {most_memory() or '-'} {threads}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=report, daemon=True).start()
    module = importlib.import_module(sys.argv[1])
    module.main(sys.argv[2:])
