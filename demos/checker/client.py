"""A blocking client with patience: whatever happens to it is a `Trouble` that says so in words."""
from __future__ import annotations

import os
import select
import socket
import struct
import time

# Why a client did not get what it was owed.
SILENT, CLOSED, RESET, WRONG, REFUSED, SLOW = "silent", "closed", "reset", "wrong", "refused", "slow"
LIFE = 20.0  # seconds: a server that sends a byte now and then shall not keep a check for ever
SMALL = 4096  # a receive buffer that fills at once
MOST = 64 * 1000 * 1000  # bytes: a server that sends without end shall not fill the checker's memory
STILL = 0.1  # seconds in which nothing more arrives
CORK = getattr(socket, "TCP_CORK", getattr(socket, "TCP_NOPUSH", None))  # hold what does not fill a segment back
SEEN = 262144  # bytes that a look at what has arrived may count


class Trouble(Exception):
    """What a client met instead of its answer: `kind` is one of the above, the text is for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Client:
    """One connection.  `patience` is how many seconds it waits for the next byte, LIFE for the last."""

    def __init__(self, host: str, port: int, patience: float, *, small: bool = False) -> None:
        self.patience = patience
        self._end = time.monotonic() + LIFE
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self._sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if small:
                # Before connect(): the window is agreed on then.
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            self._sock.settimeout(patience)
            self._sock.connect((host, port))
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            self._sock.close()
            raise Trouble(SILENT if isinstance(exc, socket.timeout) else REFUSED,
                          f"no connection: {exc.strerror or exc}") from None

    def wait_longer(self, factor: float) -> None:
        """Have more patience."""
        self.patience *= factor
        self._sock.settimeout(self.patience)

    # -- sending

    def send(self, data: bytes) -> None:
        """Send it all.  Raises Trouble."""
        try:
            self._sock.sendall(data)
        except socket.timeout:
            raise Trouble(SILENT, f"nothing was read from it for {self.patience:g} s") from None
        except OSError as exc:
            raise Trouble(RESET, f"a reset ({exc.strerror})") from None

    def send_last(self, data: bytes) -> None:
        """Send it and the end of file, in one segment where the system can: who hears one hears the other."""
        if CORK is not None:
            self._sock.setsockopt(socket.IPPROTO_TCP, CORK, 1)
        self.send(data)
        self.half_close()

    def send_some(self, data: memoryview, seconds: float) -> int:
        """Send what the kernel takes within `seconds` and return how much: 0 says that it is full.  Raises Trouble."""
        _, writable, _ = select.select([], [self._sock], [], seconds)
        if not writable:
            return 0
        self._sock.setblocking(False)
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise Trouble(RESET, f"a reset ({exc.strerror})") from None
        finally:
            self._sock.settimeout(self.patience)

    # -- receiving

    def receive(self, most: int = 65536) -> bytes:
        """What comes next, b"" at end of file.  Raises Trouble."""
        if time.monotonic() > self._end:
            raise Trouble(SLOW, f"not yet all, {LIFE:g} s after it connected")
        try:
            return self._sock.recv(most)
        except socket.timeout:
            raise Trouble(SILENT, f"nothing for {self.patience:g} s") from None
        except OSError as exc:
            raise Trouble(RESET, f"a reset ({exc.strerror})") from None

    def wait_until_stuck(self) -> None:
        """Read nothing until nothing more arrives: there is no room for it, or nothing more to say."""
        end = time.monotonic() + self.patience
        self.readable(self.patience)
        before, arrived = -1, self._arrived()
        while arrived != before and time.monotonic() < end:
            time.sleep(STILL)
            before, arrived = arrived, self._arrived()

    def _arrived(self) -> int:
        # Bytes that wait to be received; that there will be no more counts as none.
        self._sock.setblocking(False)
        try:
            return len(self._sock.recv(SEEN, socket.MSG_PEEK))
        except OSError:
            return 0
        finally:
            self._sock.settimeout(self.patience)

    def readable(self, seconds: float) -> bool:
        """True as soon as there are bytes, or an end, to receive."""
        return bool(select.select([self._sock], [], [], seconds)[0])

    def expect_end(self) -> bytes:
        """All that comes until the server closes.  Raises Trouble where it does not, or sends MOST bytes."""
        data = bytearray()
        while len(data) < MOST:
            piece = self.receive()
            if not piece:
                return bytes(data)
            data += piece
        raise Trouble(WRONG, f"more than {MOST:,} bytes, and no end")

    def drain(self, seconds: float) -> bool:
        """Take and drop what comes; True where the connection ended, in whatever way, within `seconds`."""
        end = time.monotonic() + seconds
        while self.readable(max(0.0, end - time.monotonic())):
            try:
                if not self.receive():
                    return True
            except Trouble:
                return True
            if time.monotonic() > end:
                break
        return False

    # -- leaving

    def half_close(self) -> None:
        """Say that nothing more will be sent; read on."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as exc:
            raise Trouble(RESET, f"a reset ({exc.strerror})") from None

    def reset(self) -> None:
        """Leave with a reset instead of an end of file."""
        # Linger for no time at all.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        """Leave."""
        self._sock.close()
