"""What the HTTP tests share: a transport that remembers, a clock that is moved by hand, ways to cut bytes."""
import heapq
import itertools

from protocols.http.message import Response
from protocols.http.parser import Failure
from protocols.http.server import HttpServer

GET = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"
EPOCH = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 section 5.6.7.


class Clock:
    """call_later and time of a loop that never sleeps."""

    def __init__(self):
        self.now = 0.0
        self._heap = []
        self._count = itertools.count()

    def time(self):
        return self.now

    def call_later(self, delay, callback, *args):
        timer = Timer(callback, args)
        heapq.heappush(self._heap, (self.now + delay, next(self._count), timer))
        return timer

    @property
    def pending(self):
        return sum(not timer.cancelled for _, _, timer in self._heap)

    def turn(self):
        """Run what is due now, but not what that sets anew."""
        due = []
        while self._heap and self._heap[0][0] <= self.now:
            due.append(heapq.heappop(self._heap)[2])
        for timer in due:
            if not timer.cancelled:
                timer.callback(*timer.args)

    def advance(self, seconds):
        """Run every timer that becomes due within `seconds`, each at its time."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            when, _, timer = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            if not timer.cancelled:
                timer.callback(*timer.args)
        self.now = end


class Timer:
    def __init__(self, callback, args):
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class Transport:
    """Takes everything at once, or, while `stuck`, keeps it in a queue with water marks."""

    def __init__(self):
        self.sent = b""
        self.writes = []
        self.queue = b""
        self.stuck = False
        self.closed = False
        self.aborted = False
        self.reading = True
        self.paused_writing = False
        self.high = self.low = 0
        self.protocol = None

    def write(self, data):
        if self.closed or self.aborted:
            return
        self.writes.append(data)
        if self.stuck:
            self.queue += data
            if len(self.queue) > self.high and not self.paused_writing:
                self.paused_writing = True
                self.protocol.pause_writing()
        else:
            self.sent += data

    def drain(self, count=None):
        """The peer reads `count` bytes of the queue, or all of it."""
        count = len(self.queue) if count is None else count
        self.sent += self.queue[:count]
        self.queue = self.queue[count:]
        if self.paused_writing and len(self.queue) <= self.low:
            self.paused_writing = False
            self.protocol.resume_writing()

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True
        self.queue = b""

    def is_closing(self):
        return self.closed or self.aborted

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def get_write_buffer_size(self):
        return len(self.queue)

    def set_write_buffer_limits(self, high=None, low=None):
        self.high, self.low = high, low

    def get_extra_info(self, name, default=None):
        return ("192.0.2.7", 4711) if name == "peername" else default


class Server:
    """An HttpServer on such a transport; remembers the requests that its application saw."""

    transport_class = Transport

    def __init__(self, application=None, **options):
        self.requests = []
        self.clock = Clock()
        self.transport = self.transport_class()
        self._application = application or (lambda request: Response(200, (), b"ok"))
        self.protocol = HttpServer(self._remember, call_later=self.clock.call_later, time=self.clock.time,
                                   wall_time=lambda: EPOCH + self.clock.now, **options)
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    def _remember(self, request):
        self.requests.append(request)
        return self._application(request)

    def receive(self, *pieces):
        """Feed each piece, as long as the connection reads."""
        for piece in pieces:
            if not self.transport.is_closing():
                self.protocol.data_received(piece)
        return self

    @property
    def sent(self):
        return self.transport.sent

    @property
    def statuses(self):
        """The status of each response that was sent, found by their dates: no body of the tests holds one."""
        return [int(part.rpartition(b"HTTP/1.1 ")[2][:3]) for part in self.sent.split(b"\r\nDate: ")[:-1]]


def answer(data, application=None, **options):
    """What a server sends to a client that sends `data` and waits."""
    return Server(application, **options).receive(data)


def bytewise(data):
    return [data[index:index + 1] for index in range(len(data))]


def every_split(data):
    """`data` whole, byte by byte, and cut in two at every position."""
    yield [data]
    yield bytewise(data)
    for position in range(1, len(data)):
        yield [data[:position], data[position:]]


def drain(parser):
    events = []
    while True:
        event = parser.next_event()
        if event is None:
            return events
        events.append(event)


def events_of(parser, pieces, eof=False):
    """All events, described so that they compare; the pieces of a body are joined, for their borders mean nothing."""
    events = []
    for piece in pieces:
        parser.feed(piece)
        events += drain(parser)
    if eof:
        parser.feed_eof()
        events += drain(parser)
    return list(_joined(events))


def _joined(events):
    body = b""
    for event in events:
        if isinstance(event, bytes):
            body += event
            continue
        if body:
            yield "body", body
            body = b""
        yield describe(event)
    if body:
        yield "body", body


def describe(event):
    if isinstance(event, Failure):
        return "failure", event.status, event.reason, event.answers_head
    return (type(event).__name__,) + tuple(
        value.pairs if hasattr(value, "pairs") else value
        for value in (getattr(event, name) for name in event.__slots__))
