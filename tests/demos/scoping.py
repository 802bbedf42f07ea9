"""A reactor with a page, running in a thread, and browsers without a screen."""
import http.client
import json
import threading
import time

from demos.scope import Scope
from tests.case import Case

PATIENCE = 5.0


class Browser:
    """An event stream, read in a thread: `messages` are (name, data), in order."""

    def __init__(self, scope):
        self.messages = []
        self.changed = threading.Condition()
        host, _, path = scope.url[len("http://"):].partition("/")
        self.connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        self.connection.request("GET", f"/{path}events")
        self.response = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        name = None
        try:
            for line in self.response:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    with self.changed:
                        self.messages.append((name, json.loads(value)))
                        self.changed.notify_all()
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed, by either side

    def all(self, name):
        """What the messages of that name said so far."""
        with self.changed:
            return [data for each, data in self.messages if each == name]

    def wait(self, name, holds=lambda data: True):
        """The newest message of that name for which it holds; waits for one."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                found = [data for each, data in self.messages if each == name and holds(data)]
                if found:
                    return found[-1]
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no such {name} among {[each for each, _ in self.messages]}")

    def close(self):
        """Leave."""
        self.connection.sock and self.connection.sock.shutdown(2)
        self.connection.close()
        self.response.close()
        self.thread.join(PATIENCE)


class ScopeCase(Case):
    """`self.reactor` runs in a thread, with `self.scope` as its page."""

    idle = None
    program = "test"

    def setUp(self):
        super().setUp()
        self.reactor = self.open_real_reactor()
        self.scope = Scope(self.reactor, self.program, 0, self.idle)
        self.addCleanup(self.scope.close)
        self.host, _, self.path = self.scope.url[len("http://"):].partition("/")
        self.path = "/" + self.path
        self.prepare()
        self.thread = threading.Thread(target=self.reactor.run)
        self.thread.start()
        self.addCleanup(self.stop)

    def prepare(self):
        """Whatever is to be there before the loop runs."""

    def stop(self):
        self.reactor.call_soon_threadsafe(self.reactor.stop)
        self.thread.join(PATIENCE)
        self.assertFalse(self.thread.is_alive(), "the loop does not end")

    def on_loop(self, function, *args):
        """What the function answers on the loop's thread."""
        answers, done = [], threading.Event()

        def call():
            answers.append(function(*args))
            done.set()
        self.reactor.call_soon_threadsafe(call)
        self.assertTrue(done.wait(PATIENCE), "the loop does not turn")
        return answers[0]

    def browser(self):
        """One that looks at the page, and has been greeted."""
        browser = Browser(self.scope)
        self.addCleanup(browser.close)
        browser.wait("state")
        return browser

    def ask(self, method, path, body=None, headers=None):
        """The answer to one request below the token: status, body; its head in `self.head`."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, self.path + path, body, headers or {})
            self.head = connection.getresponse()
            return self.head.status, self.head.read()
        finally:
            connection.close()

    def get(self, path):
        """The answer to a GET: its status, and what its JSON says."""
        status, body = self.ask("GET", path)
        return status, json.loads(body)

    def do(self, do, **fields):
        """Press a button: the status, and what the answer says."""
        status, body = self.ask("POST", "control", json.dumps({"do": do, **fields}),
                                {"Content-Type": "application/json"})
        return status, json.loads(body)

    def press(self, do, **fields):
        """As do(), of what can be done."""
        self.assertEqual((200, {"ok": True}), self.do(do, **fields))
