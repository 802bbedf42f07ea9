"""What a browser is told: everything once, the newest of what it missed, and how much that was."""
import json
import socket
import threading
import time
import unittest

from demos.scope import hub as hubs
from demos.scope.gate import Gate
from demos.scope.hub import BEAT, MOST_COLUMNS, Browser, Hub
from protocols.echo import Echo
from reactor.testing import run_turns
from tests.case import Case
from tests.demos.scoping import PATIENCE, ScopeCase


def parsed(data):
    """The messages in some bytes of a stream, as (name, data)."""
    lines = data.decode().splitlines()
    names = [line[len("event: "):] for line in lines if line.startswith("event: ")]
    return list(zip(names, [json.loads(line[len("data: "):]) for line in lines if line.startswith("data: ")]))


class HubCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.gate = Gate(self.reactor)
        self.addCleanup(self.gate.page.close)
        self.hub = Hub(self.reactor, self.gate)
        self.addCleanup(self.hub.close)
        self.left = []
        self.gate.open()
        self.addCleanup(self.gate.close)
        self.hub.begin()
        self.reactor.turn(0)

    def browser(self):
        browser = Browser(self.hub, {"program": "test"}, lambda browser: {"dropped": browser.dropped},
                          lambda: self.left.append(1))
        self.addCleanup(browser.close)
        return browser

    def beats(self, count=1):
        """Let the hub beat so often, with a turn of the loop before each."""
        for _ in range(count):
            self.reactor.call_soon(int)
            self.reactor.turn(0)
            self.reactor.turn(BEAT)

    def told(self, browser, name):
        return [data for each, data in parsed(next(browser)) if each == name]


class TestBrowser(HubCase):

    def test_it_is_greeted_once(self):
        browser = self.browser()
        self.assertEqual(["hello", "frame", "columns", "state", "counters", "heartbeat"],
                         [name for name, _ in parsed(next(browser))])
        self.assertEqual(b"", next(browser))

    def test_who_is_slow_gets_the_newest_frame_and_is_told_how_many_it_missed(self):
        browser, prompt = self.browser(), self.browser()
        next(browser), next(prompt)
        frames = 0
        for _ in range(10):
            self.beats()
            frames += len(self.told(prompt, "frame"))
        late = dict(parsed(next(browser)))
        self.assertEqual(frames - 1, late["state"]["dropped"])
        self.assertEqual(self.hub.ring.newest(1)[0].number, late["frame"]["turn"])
        self.assertEqual(0, prompt.dropped)

    def test_columns_and_unseen_turns_are_all_the_turns_there_were(self):
        self.patch(hubs, "MOST_COLUMNS", 7)
        browser = self.browser()
        next(browser)
        start = self.reactor.turns
        counted = 0
        for number in range(12):
            self.beats(number)
            if number % 4 == 0:
                self.hub._watch.stop()  # a gap
            for columns in self.told(browser, "columns"):
                self.assertLessEqual(len(columns["columns"]), 7)
                counted += len(columns["columns"]) + columns["unseen"]
        self.assertEqual(self.reactor.turns - start, counted)

    def test_one_that_comes_later_has_the_columns_so_far_and_all_findings(self):
        self.reactor.call_soon(self.clock.advance, 2.0)
        self.beats(3)
        browser = self.browser()
        messages = parsed(next(browser))
        columns = dict(messages)["columns"]["columns"]
        self.assertEqual(self.hub.ring.count, len(columns))
        self.assertLessEqual(len(columns), MOST_COLUMNS)
        self.assertEqual(["slow"], [data["malady"] for name, data in messages if name == "finding"])
        self.assertEqual({"turn", "malady", "sentence", "missing"}, set(dict(messages)["finding"]))
        self.beats(3)
        self.assertEqual([], self.told(browser, "finding"))

    def test_heartbeats_and_states_come_also_when_nothing_happens(self):
        browser = self.browser()
        next(browser)
        heard = {"heartbeat": 0, "state": 0, "counters": 0, "frame": 0}
        for _ in range(40):
            self.reactor.turn(BEAT)  # 2 s
            for name, _ in parsed(next(browser)):
                heard[name] = heard.get(name, 0) + 1
        self.assertTrue(7 <= heard["heartbeat"] <= 9, heard)
        self.assertTrue(1 <= heard["state"] <= 3, heard)
        self.assertTrue(3 <= heard["counters"] <= 5, heard)

    def test_what_cannot_be_drawn_does_not_stop_the_heart(self):
        browser = self.browser()
        next(browser)
        self.reactor.call_soon(lambda: self.reactor.tell("a kind that nobody knows", who="#1"))
        with self.assertLogs("reactor"):
            self.beats()
        strange = self.hub.turns()
        self.beats(10)
        (frame,) = self.told(browser, "frame")
        self.assertGreater(frame["turn"], strange)

    def test_leaving_is_told_once(self):
        browser = self.browser()
        browser.close()
        browser.close()
        self.assertEqual(([1], set()), (self.left, self.hub.browsers))

    def test_with_no_browser_no_frame_is_made(self):
        self.beats(5)
        self.assertEqual(0, self.hub.frames)


class TestFigures(HubCase):

    def test_they_are_taken_again_while_nothing_happens(self):
        ours, peer = self.pair()
        transport, _ = self.reactor.adopt(Echo, ours)
        run_turns(self.reactor)
        self.reactor.turn(BEAT)
        browser = self.browser()
        next(browser)
        self.gate.pause()
        self.gate.page.call_later(0.1, peer.send, b"x" * 100)
        self.gate.page.call_later(1.0, self.gate.resume)
        rows = []
        self.gate.page.call_later(0.9, lambda: rows.extend(
            row for frame in self.told(browser, "frame") for row in frame["connections"]))
        self.reactor.turn(0)
        self.assertEqual([(transport.name, 100)], [(row["name"], row["arrived"]) for row in rows])

    def test_a_row_has_the_marks_of_its_queue(self):
        ours, _ = self.pair()
        transport, _ = self.reactor.adopt(Echo, ours)
        run_turns(self.reactor)
        transport.set_write_buffer_limits(1000, 10)
        (row,) = self.told(self.browser(), "frame")[0]["connections"]
        self.assertEqual((1000, 10), (row["high"], row["low"]))


class TestUnheard(HubCase):

    def test_a_turn_that_took_long_and_was_not_heard_is_told_as_that(self):
        self.hub._watch.resting = True
        self.hub.wire()
        self.reactor.call_soon(self.clock.advance, 3.0)
        self.reactor.turn(0)
        number = self.reactor.turns - 1
        self.reactor.turn(BEAT)
        (finding,) = self.hub.findings
        self.assertEqual((number, "slow"), (finding["turn"], finding["malady"]))
        self.assertIn("took 3,000 ms; the page did not hear which callback that was", finding["sentence"])


class TestLive(ScopeCase):

    def prepare(self):
        self.listener = self.reactor.listen(Echo)

    def test_a_callback_that_blocks_stops_the_heart_and_is_named_while_it_does(self):
        browser = self.browser()
        self.reactor.call_soon_threadsafe(time.sleep, 1.6)
        finding = browser.wait("finding", lambda finding: finding["malady"] == "stuck")
        self.assertRegex(finding["sentence"], r"^turn \d+ has not ended for 1\.\d s; nobody is served")
        column = browser.wait("columns", lambda data: any("S" in each[4] for each in data["columns"]))["columns"][-1]
        self.assertRegex(column[5], r"sleep 1,6\d\d ms")
        browser.wait("heartbeat", lambda beat: beat["t"] > 1.6)
        beats = [beat["t"] for beat in browser.all("heartbeat")]
        self.assertGreater(max(after - before for before, after in zip(beats, beats[1:])), 1.3)

    def test_under_load_every_turn_is_counted_and_a_button_answers_at_once(self):
        browser = self.browser()
        before = self.reactor.turns
        ending, clients = threading.Event(), [self.client_of(self.listener, PATIENCE) for _ in range(8)]
        threads = [threading.Thread(target=self.hammer, args=(client, ending)) for client in clients]
        for thread in threads:
            thread.start()
        answers = []
        for _ in range(5):
            time.sleep(0.1)
            start = time.monotonic()
            self.press("show", on=True)
            answers.append(time.monotonic() - start)
        ending.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertLess(sorted(answers)[2], 0.5)
        turns = self.reactor.turns - before
        browser.wait("columns", lambda data: self.counted(browser) >= turns)

    def counted(self, browser):
        """How many turns it was told of since it came."""
        return sum(len(each["columns"]) + each["unseen"] for each in browser.all("columns")[1:])

    def hammer(self, client, ending):
        while not ending.is_set():
            client.sendall(b"x" * 64)
            client.recv(64)

    def test_a_browser_that_never_reads_is_not_queued_for(self):
        sleepy = socket.socket()
        self.addCleanup(sleepy.close)
        sleepy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = self.host.split(":")
        sleepy.connect((host, int(port)))
        sleepy.sendall(f"GET {self.path}events HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        self.browser().wait("state", lambda state: state["browsers"] == 2)
        hub = self.scope._hub

        def noise():
            before = hubs.message
            self.patch(hubs, "message", lambda name, data: before(name, data) + ":" * 100000 + "\n\n")
        self.on_loop(noise)
        client = self.client_of(self.listener)
        for _ in range(20):
            client.sendall(b"x")
            client.recv(1)
            time.sleep(0.03)
        queued = self.on_loop(lambda: [one.get_write_buffer_size() for one in self.scope._page.endpoints
                                       if hasattr(one, "get_write_buffer_size")])
        self.assertLess(max(queued), 1500000, "more than what one message holds is queued")
        self.assertEqual(2, len(hub.browsers))


class TestSmallThings(unittest.TestCase):

    def test_a_message_is_one_event_of_a_stream(self):
        self.assertEqual('event: state\ndata: {"a":"\\n"}\n\n', hubs.message("state", {"a": "\n"}))

    def test_every_so_often(self):
        every = hubs.Every(0.25)
        due = [now / 20 for now in range(41) if every.is_due(now / 20)]
        self.assertEqual([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0], due)


if __name__ == "__main__":
    unittest.main()
