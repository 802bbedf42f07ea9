"""What the kernel holds of a connection: bytes sent and not acknowledged, bytes arrived and not read, at both ends.

Each figure is asked for anew, and None wherever this system does not tell it.
"""
from __future__ import annotations

import array
import socket
import struct
from typing import Any, Optional, Tuple

try:
    from fcntl import ioctl
    from termios import FIONREAD, TIOCOUTQ
except ImportError:
    ioctl = None  # type: ignore[assignment]  # Windows

# From <linux/netlink.h>, <linux/sock_diag.h> and <linux/inet_diag.h>.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
ANYTHING = 0xffffffff  # any state of a connection, any cookie
HEADER = struct.Struct("=IHHII")  # length, kind, flags, number, process
QUESTION = struct.Struct("=BBBBI")  # family, protocol, extensions, padding, states
REST = struct.Struct("=III")  # behind the addresses: interface, cookie
RQUEUE = HEADER.size + 56  # where the answer has the bytes that nobody has read


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

    Linux tells it about any connection here to whoever asks by its two addresses.  (/proc/net/tcp tells it too, but
    has a line for every socket of the machine, and a busy one has many thousands.)
    """

    def __init__(self) -> None:
        self._sock: Optional[socket.socket] = None
        try:
            self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
            self._sock.setblocking(False)
        except (AttributeError, OSError):
            pass  # not Linux, or one that does not tell

    def unread(self, sock: socket.socket) -> Optional[int]:
        """Bytes; None where nobody knows."""
        if self._sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        try:
            theirs, ours = sock.getpeername(), sock.getsockname()
            self._sock.send(_question(sock.family, theirs, ours))
            answer = self._sock.recv(4096)
        except OSError:
            return None  # it is not connected any more
        if HEADER.unpack_from(answer)[1] != SOCK_DIAG_BY_FAMILY:
            return None  # the other end is elsewhere
        unread: int = struct.unpack_from("=I", answer, RQUEUE)[0]
        return unread

    def close(self) -> None:
        """Ask no more.  Twice is once."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _question(family: int, source: Any, destination: Any) -> bytes:
    (port, host), (other_port, other_host) = _packed(family, source), _packed(family, destination)
    body = (QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, ANYTHING) + port + other_port + host + other_host
            + REST.pack(0, ANYTHING, ANYTHING))
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + body


def _packed(family: int, address: Any) -> Tuple[bytes, bytes]:
    return struct.pack("!H", address[1]), socket.inet_pton(family, address[0].partition("%")[0]).ljust(16, b"\0")
