"""A transport that records and a clock that is set by hand: all that a protocol test needs."""
import heapq
import itertools


class FakeTransport:
    """Keeps what is written.  With `high`, the queue holds it until `drain()`, and the protocol is paused above it."""

    def __init__(self, protocol, high=None, peername=("192.0.2.7", 4321)):
        self.protocol = protocol
        self.sent = bytearray()
        self.queued = 0
        self.high = high
        self.reading = True
        self.eof = False
        self.closed = None  # or "close", "abort"
        self._extra = {"peername": peername}
        self._choked = False

    def write(self, data):
        assert not self.closed, "write() after close()"
        assert not self.eof, "write() after write_eof()"
        self.sent += data
        if self.high is not None:
            self.queued += len(data)
            if self.queued > self.high and not self._choked:
                self._choked = True
                self.protocol.pause_writing()

    def drain(self):
        """The peer takes everything."""
        self.queued = 0
        if self._choked:
            self._choked = False
            self.protocol.resume_writing()

    def write_eof(self):
        self.eof = True

    def close(self):
        self.closed = self.closed or "close"

    def abort(self):
        self.closed = "abort"

    def is_closing(self):
        return self.closed is not None

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def get_write_buffer_size(self):
        return self.queued

    def get_extra_info(self, name, default=None):
        return self._extra.get(name, default)


class FakeDatagramTransport:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = []

    def sendto(self, data, addr=None):
        self.sent.append((data, addr))


class FakeTimer:
    """What FakeClock.call_later returns."""

    def __init__(self, callback, args):
        self.callback, self.args = callback, args

    def cancel(self):
        self.callback = None


class FakeClock:
    """`time` and `call_later`; time passes in `advance` alone."""

    def __init__(self):
        self.now = 1000.0
        self.armed = 0  # timers ever asked for
        self._heap = []
        self._order = itertools.count()

    def time(self):
        return self.now

    def call_later(self, delay, callback, *args):
        self.armed += 1
        timer = FakeTimer(callback, args)
        heapq.heappush(self._heap, (self.now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds):
        """Let `seconds` pass and run what becomes due, each at its own time."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end + 1e-9:
            self.now, _, timer = heapq.heappop(self._heap)
            if timer.callback is not None:
                timer.callback(*timer.args)
        self.now = end

    def waiting(self):
        """How many timers could still run."""
        return sum(timer.callback is not None for _, _, timer in self._heap)


def connect(protocol, **options):
    """Introduce `protocol` to a fresh FakeTransport, which is returned."""
    transport = FakeTransport(protocol, **options)
    protocol.connection_made(transport)
    return transport


def splits(data):
    """`data` whole, byte by byte, and cut in two at every position: a list of lists of pieces."""
    return ([[data], [data[i:i + 1] for i in range(len(data))]]
            + [[data[:i], data[i:]] for i in range(1, len(data))])
