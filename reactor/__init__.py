"""A reactor on select(), written to be read: start with loop.py, then transport.py."""
from .datagram import DatagramTransport
from .listener import Listener
from .loop import EventLoop
from .reactor import Reactor
from .transport import StreamTransport

__all__ = ["DatagramTransport", "EventLoop", "Listener", "Reactor", "StreamTransport"]
