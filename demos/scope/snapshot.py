"""How every endpoint stands, taken from the live objects, as state.py would tell it from the events.

It is what the page begins with when it did not see what was before: between two turns it equals what all the
events since the beginning would have made.  The only file here that looks inside the reactor's objects.
"""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from reactor import Reactor
from reactor.connector import Connector
from reactor.datagram import DatagramTransport
from reactor.endpoint import Endpoint, owner_of
from reactor.listener import Listener, shown
from reactor.transport import StreamTransport

from ..glassbox.state import Connection, Connections


def snapshot(reactor: Reactor) -> Connections:
    """All that is open, between two turns."""
    connections = Connections()
    connections.turn = reactor.turns
    for endpoint in in_order(reactor):
        make = next((make for kind, make in _SORTS.items() if isinstance(endpoint, kind)), _unknown)
        connection = make(endpoint)
        if connection is not None:
            connection.turn = reactor.turns
            connection.begun = connection.sort != "datagram socket"  # of which nobody counts the bytes
            connections.open[endpoint.name] = connection
    return connections


def in_order(reactor: Reactor) -> List[Endpoint]:
    """The endpoints, first come first."""
    return sorted(reactor.endpoints, key=lambda endpoint: endpoint.number)


def endpoint_of(reactor: Reactor, name: str) -> Optional[Endpoint]:
    """The one with that name; None where it is not there any more."""
    return next((endpoint for endpoint in reactor.endpoints if endpoint.name == name), None)


def marks(endpoint: Endpoint) -> Dict[str, Any]:
    """The water marks of a stream."""
    return {"high": endpoint._high, "low": endpoint._low} if isinstance(endpoint, StreamTransport) else {}


def _stream(transport: StreamTransport) -> Connection:
    connection = Connection(transport.name, "connection", 0, _peer(transport))
    server = owner_of(transport._on_end)
    connection.server = server.name if isinstance(server, Endpoint) else ""
    connection.received, connection.sent = transport.received, transport.sent
    connection.closing, connection.lost = transport._closing, transport._lost
    connection.depth = connection.highest = transport.get_write_buffer_size()
    connection.reading_paused, connection.peer_ended = transport._paused, transport._eof_in
    silent = transport._paused or transport._eof_in or transport._closing
    # One whose protocol does not know it yet is choked too, and is not watched although it could be.
    connection.writing_paused = transport._choked and (silent or transport._reader is not None)
    connection.half_closed = transport._shut
    connection.half_closing = transport._eof_out and not transport._shut
    return connection


def _peer(transport: StreamTransport) -> str:
    peer = transport.get_extra_info("peername")
    return "" if peer is None else shown(peer)


def _datagram(transport: DatagramTransport) -> Connection:
    connection = Connection(transport.name, "datagram socket", 0, shown(transport.get_extra_info("sockname", "")))
    connection.closing, connection.lost = transport._closing, transport._lost
    connection.depth = connection.highest = 0 if transport._lost else transport._queued
    return connection


def _listener(listener: Listener) -> Connection:
    return Connection(listener.name, "listener", 0, ", ".join(listener.addresses))


def _connector(connector: Connector) -> Optional[Connection]:
    # While it looks its name up it has told of nothing yet.
    return None if connector._sock is None else Connection(connector.name, "connector", 0, connector._where)


def _unknown(endpoint: Endpoint) -> Connection:
    return Connection(endpoint.name, type(endpoint).__name__.lower(), 0)


_SORTS: Dict[type, Any] = {StreamTransport: _stream, DatagramTransport: _datagram, Listener: _listener,
                           Connector: _connector}
