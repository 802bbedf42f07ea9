"""What the kernel holds of a connection: bytes sent and not acknowledged, bytes arrived and not read, at both ends.

Each figure is asked for anew, and None wherever this system does not tell it.
"""
from __future__ import annotations

import array
import socket
import struct
import time
from typing import Any, Dict, Optional, Tuple

try:
    from fcntl import ioctl
    from termios import FIONREAD, TIOCOUTQ
except ImportError:
    ioctl = None  # type: ignore[assignment]  # Windows

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LOOKS = 0.25  # seconds from one look into these tables to the next, at least

Ends = Tuple[str, str]


def unacknowledged(sock: socket.socket) -> Optional[int]:
    """Bytes that we sent and the peer's kernel has not acknowledged; of a Unix socket, that the peer has not read."""
    return None if ioctl is None else _asked(sock, TIOCOUTQ)


def arrived(sock: socket.socket) -> Optional[int]:
    """Bytes that have arrived and nobody has read."""
    return None if ioctl is None else _asked(sock, FIONREAD)


def _asked(sock: socket.socket, what: int) -> Optional[int]:
    answer = array.array("i", [0])
    try:
        ioctl(sock.fileno(), what, answer)
    except (OSError, ValueError):
        return None
    return answer[0]


class Peers:
    """What has arrived at the other end of our connections and was not read there, where that end is on this machine.

    Linux tells it in /proc/net/tcp, a line for each socket.
    """

    def __init__(self) -> None:
        self._unread: Dict[Ends, int] = {}
        self._read = -LOOKS

    def unread(self, sock: socket.socket) -> Optional[int]:
        """Bytes; None where nobody knows."""
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        now = time.monotonic()
        if now - self._read >= LOOKS:
            self._read = now
            self._unread = _tables()
        try:
            return self._unread.get((_as_linux_writes(sock.getpeername()), _as_linux_writes(sock.getsockname())))
        except OSError:
            return None  # it is not connected any more


def _tables() -> Dict[Ends, int]:
    found: Dict[Ends, int] = {}
    for path in TABLES:
        try:
            with open(path, encoding="ascii") as lines:
                next(lines)
                for line in lines:
                    _, local, remote, _, queues, *_ = line.split(None, 5)
                    found[local, remote] = int(queues.partition(":")[2], 16)
        except (OSError, ValueError, StopIteration):
            pass  # not Linux, or one without IPv6
    return found


def _as_linux_writes(address: Tuple[Any, ...]) -> str:
    """127.0.0.1:80 is 0100007F:0050 on this kind of machine."""
    host, port = address[:2]
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
