"""What an errno means to a reactor: groups, each with what to do about it.

Names that a system does not have are left out, so the groups can be compared
on Linux, macOS and Windows alike.  Windows reports sockets' errors under names
of its own (WSAE...), which `errno` has there and nowhere else.
"""
from __future__ import annotations

import errno
from typing import FrozenSet


def _group(*names: str) -> FrozenSet[int]:
    both = [prefix + name for name in names for prefix in ("", "WSA")]
    return frozenset(getattr(errno, name) for name in both if hasattr(errno, name))


# An answer and not an error: "not now".  Keep everything and wait for select.
# ENOBUFS is the kernel short of memory for this one send.
NOT_NOW = _group("EAGAIN", "EWOULDBLOCK", "EINTR", "ENOBUFS")

# connect() began, or is still going on; the last two are Windows' words for it.  (EAGAIN elsewhere
# means that a Unix server's backlog is full: nothing began, and nothing would ever end.)
CONNECTING = _group("EINPROGRESS", "EALREADY", "EINTR", "WSAEWOULDBLOCK", "WSAEINVAL")

# The other end went away: this connection is over, nothing is wrong with us.
PEER_GONE = _group("ECONNRESET", "EPIPE", "ESHUTDOWN", "ENOTCONN", "ECONNABORTED", "ECONNREFUSED",
                   "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENETRESET")

# accept() found that the client left, or that the network had a problem with
# this one client.  The next one in the backlog may be well.
CLIENT_LEFT = _group("ECONNABORTED", "EPERM", "EPROTO", "ENOPROTOOPT", "EOPNOTSUPP", "EHOSTUNREACH",
                     "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENONET", "ETIMEDOUT", "ECONNRESET")

# No descriptor or no memory to accept with.  The client stays in the backlog,
# so the listener stays readable: who does not stop watching it, spins.
EXHAUSTED = _group("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")

# This address is not for this machine; another of the same host name may be.
NOT_HERE = _group("EADDRNOTAVAIL", "EAFNOSUPPORT", "EPROTONOSUPPORT")
