"""The page over HTTP: its contract, what its buttons do, and who is kept out."""
import json
import socket
import time
import unittest
from unittest import mock

from demos import scope as scopes
from protocols.echo import Echo
from tests.case import reset
from tests.demos.scoping import ScopeCase

CONTROL = {"Content-Type": "application/json"}


class EchoCase(ScopeCase):

    def prepare(self):
        self.listener = self.reactor.listen(Echo)

    def client(self):
        """A client that has said hello, and was answered."""
        client = self.client_of(self.listener, timeout=5.0)
        client.sendall(b"hello\n")
        self.assertEqual(b"hello\n", client.recv(100))
        return client

    def words(self, kind):
        """Finds frames with such an event."""
        return lambda frame: any(word[2] == kind for word in frame["words"])


class TestContract(EchoCase):

    def test_the_page_and_its_headers(self):
        status, body = self.ask("GET", "")
        self.assertEqual(200, status)
        self.assertIn(b"<!doctype html>", body.lower())
        self.assertEqual("text/html; charset=utf-8", self.head.headers["Content-Type"])
        self.assertEqual("default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
                         self.head.headers["Content-Security-Policy"])
        self.assertEqual(["no-referrer", "no-store", "nosniff"],
                         [self.head.headers[name] for name in
                          ("Referrer-Policy", "Cache-Control", "X-Content-Type-Options")])

    def test_an_address_without_its_last_slash_leads_to_the_page(self):
        self.path = self.path[:-1]
        self.assertEqual(301, self.ask("GET", "")[0])
        self.assertEqual(self.path + "/", self.head.headers["Location"])
        self.assertEqual(405, self.ask("POST", "")[0])

    def test_what_only_begins_as_a_file_is_not_there(self):
        for path in ("/", "scope.js/", "scope.js/x", "//scope.js"):
            self.assertEqual(404, self.ask("GET", path)[0], path)

    def test_a_browser_is_greeted_with_all_it_needs(self):
        browser = self.browser()
        self.assertEqual(["hello", "frame", "columns", "state"], [name for name, _ in browser.messages[:4]])
        hello = browser.wait("hello")
        self.assertEqual({"program", "address", "pid", "marks", "experiments"}, set(hello))
        self.assertEqual(("test", self.host), (hello["program"], hello["address"]))
        self.assertEqual({"mode": "running", "speed": 1, "recording": False, "recorded": 0, "replay": None,
                          "browsers": 1, "page": {"sockets": 3, "lines": []}, "dropped": 0, "throttled": {},
                          "experiment": None}, browser.wait("state"))
        self.assertEqual({"turns", "events", "received", "sent", "asleep", "awake", "endpoints", "most", "largest",
                          "turns_per_second", "asleep_share"}, set(browser.wait("counters")))

    def test_a_frame_says_all_about_one_turn(self):
        browser = self.browser()
        client = self.client()
        frame = browser.wait("frame", self.words("received"))
        self.assertEqual({"turn", "t", "reading", "writing", "third", "timeout", "why", "slept", "awake", "readable",
                          "writable", "quick", "words", "more", "connections", "others", "column"}, set(frame))
        self.assertIn(["#2", "recv: 6 bytes 'hello\\n'", "received"], frame["words"])
        self.assertEqual([["the loop", "its wake-up socket"], ["#1", "the listener"], ["#2", "connected"]],
                         frame["reading"])
        self.assertEqual(["#2"], frame["readable"])
        listener, connection = frame["connections"]
        self.assertEqual(("#1", "listener"), (listener["name"], listener["sort"]))
        peer = "%s:%d" % client.getsockname()
        self.assertEqual(dict(connection, name="#2", sort="connection", peer=peer, states=["open"], depth=0, high=65536,
                              low=16384, received=6, sent=6, server="#1"), connection)
        self.assertEqual({"kernel", "theirs", "arrived"}, set(connection) - {
            "name", "sort", "peer", "states", "depth", "high", "low", "received", "sent", "server"})
        columns = [column for each in browser.all("columns") for column in each["columns"]]
        self.assertIn("rw", [column[4] for column in columns])
        self.assertEqual(sorted(column[0] for column in columns), [column[0] for column in columns])

    def test_a_turn_that_is_over_can_be_asked_for(self):
        browser = self.browser()
        self.client()
        frame = browser.wait("frame", self.words("received"))
        status, again = self.get(f"turn/{frame['turn']}")
        self.assertEqual((200, frame["words"], frame["column"]), (status, again["words"], again["column"]))
        for number in ("123456789", "x", "", "-1", "9" * 50, "%C3%A9"):
            status, answer = self.get(f"turn/{number}")
            self.assertEqual((404, {"error"}), (status, set(answer)))

    def test_the_heart_beats_also_while_the_loop_is_held(self):
        browser = self.browser()
        self.press("pause")
        last = browser.wait("heartbeat")["t"]
        browser.wait("heartbeat", lambda beat: beat["t"] > last + 0.4)

    def test_two_browsers_see_the_same(self):
        one, other = self.browser(), self.browser()
        for _ in range(3):
            self.client()
            frames = [browser.wait("frame", self.words("received")) for browser in (one, other)]
        last = frames[0]["turn"]
        frames = [browser.wait("frame", lambda frame: frame["turn"] >= last) for browser in (one, other)]
        self.assertEqual(frames[0]["words"], frames[1]["words"])
        self.assertEqual(2, one.wait("state", lambda state: state["browsers"] == 2)["browsers"])

    def test_the_pages_own_sockets_are_counted_and_can_be_shown(self):
        browser = self.browser()
        self.press("show", on=True)
        state = browser.wait("state", lambda state: state["page"]["lines"])
        self.assertEqual(state["page"]["sockets"], len(state["page"]["lines"]))
        self.assertIn(["the page's #1", "the listener"], state["page"]["lines"])
        self.press("show", on=False)
        browser.wait("state", lambda state: not state["page"]["lines"])
        names = {name for frame in browser.all("frame") for name, _ in frame["reading"]}
        self.assertEqual(set(), names - {"the loop", "#1"})


class TestControls(EchoCase):

    def test_pause_holds_an_answer_back_and_a_step_releases_exactly_one_turn(self):
        browser = self.browser()
        client = self.client()
        self.press("pause")
        browser.wait("state", lambda state: state["mode"] == "paused")
        turns = self.reactor.turns
        client.sendall(b"one\n")
        client.settimeout(0.15)
        self.assertRaises(socket.timeout, client.recv, 100)
        self.press("pause")
        self.assertEqual(turns, self.reactor.turns)
        client.settimeout(5.0)
        self.press("step")
        self.assertEqual(b"one\n", client.recv(100))
        frame = browser.wait("frame", lambda frame: frame["turn"] == turns)
        self.assertIn(["#2", "recv: 4 bytes 'one\\n'", "received"], frame["words"])
        client.sendall(b"two\n")
        client.settimeout(0.15)
        self.assertRaises(socket.timeout, client.recv, 100)
        self.assertEqual(turns + 1, self.reactor.turns)
        self.press("resume")
        client.settimeout(5.0)
        self.assertEqual(b"two\n", client.recv(100))
        browser.wait("state", lambda state: state["mode"] == "running")

    def test_slow_motion(self):
        browser = self.browser()
        client = self.client()
        self.press("speed", factor=0.01)
        state = browser.wait("state", lambda state: state["mode"] == "slow")
        self.assertEqual(0.01, state["speed"])
        client.sendall(b"x")
        self.assertEqual(b"x", client.recv(10))
        self.press("speed", factor=1)
        browser.wait("state", lambda state: state["mode"] == "running")

    def test_what_cannot_be_done_is_refused_with_a_sentence(self):
        for wanted in ({}, [], None, 7, "pause", {"do": "nothing"}, {"do": ["pause"]}, {"do": "speed"},
                       {"do": "speed", "factor": 0}, {"do": "speed", "factor": 2}, {"do": "speed", "factor": True},
                       {"do": "speed", "factor": "1"}, {"do": "close"}, {"do": "close", "who": "#99"},
                       {"do": "reset", "who": "#1"}, {"do": "throttle", "who": "#1", "rate": 5},
                       {"do": "throttle", "who": "#2", "rate": -1}, {"do": "experiment", "id": 99},
                       {"do": "record", "on": 1}):
            with self.subTest(wanted=wanted):
                status, answer = self.ask("POST", "control", json.dumps(wanted), CONTROL)
                self.assertEqual((400, ["error"]), (status, list(json.loads(answer))))
        for text in ("", "{", "[" * 60000, "\xff", '{"do": "speed", "factor": NaN}',
                     '{"do":"throttle","who":"#2","rate":1e400}'):
            self.assertEqual(400, self.ask("POST", "control", text.encode("latin-1"), CONTROL)[0])

    def test_a_connection_is_closed_as_a_turn_of_the_observed_loop(self):
        browser = self.browser()
        client = self.client()
        self.press("close", who="#2")
        self.assertEqual(b"", client.recv(100))
        frame = browser.wait("frame", self.words("closed"))
        self.assertNotIn("#2", [row["name"] for row in frame["connections"]])

    def test_a_connection_is_reset(self):
        browser = self.browser()
        client = self.client()
        self.press("reset", who="#2")
        self.assertRaises(ConnectionResetError, client.recv, 100)
        browser.wait("frame", lambda frame: [row["name"] for row in frame["connections"]] == ["#1"])

    def test_a_connection_is_read_slowly(self):
        browser = self.browser()
        client = self.client()
        self.press("throttle", who="#2", rate=1000)
        state = browser.wait("state", lambda state: state["throttled"])
        self.assertEqual({"#2": 1000}, state["throttled"])
        client.sendall(b"x" * 250)
        frame = browser.wait("frame", self.words("reading paused"))
        self.assertIn(["#2", f"recv: 100 bytes '{40 * 'x'}' ...", "received"], frame["words"])
        self.assertIn("reading paused", frame["connections"][1]["states"])
        self.press("throttle", who="#2", rate=None)
        received = b""
        while len(received) < 250:
            received += client.recv(1000)
        browser.wait("state", lambda state: not state["throttled"])

    def test_a_recording_can_be_made_downloaded_opened_and_scrubbed(self):
        browser = self.browser()
        self.assertEqual(404, self.get("recording")[0])
        self.press("record", on=True)
        client = self.client()
        live = browser.wait("frame", self.words("received"))
        client.sendall(b"more\n")
        client.recv(100)
        browser.wait("state", lambda state: state["recording"] and state["recorded"])
        self.press("record", on=False)
        status, recording = self.ask("GET", "recording")
        self.assertEqual(200, status)
        self.assertIn("attachment", self.head.headers["Content-Disposition"])
        status, answer = self.ask("POST", "open?name=mine.rec", recording)
        summary = json.loads(answer)
        self.assertEqual((200, {"turns", "first", "last"}), (status, set(summary)))
        state = browser.wait("state", lambda state: state["replay"])
        self.assertEqual({"name": "mine.rec", **summary}, state["replay"])
        status, again = self.get(f"replay/turn/{live['turn']}")
        self.assertEqual(200, status)
        self.assertEqual((live["words"], live["reading"], live["readable"]),
                         (again["words"], again["reading"], again["readable"]))
        rows = {row["name"]: (row["depth"], row["states"], row["received"]) for row in live["connections"]
                if row["name"] != "#1"}
        self.assertEqual(rows, {row["name"]: (row["depth"], row["states"], row["received"])
                                for row in again["connections"] if row["name"] != "#1"})
        status, columns = self.get(f"replay/columns?from={summary['first']}&count=2")
        self.assertEqual((200, 2, summary["first"]), (status, len(columns["columns"]), columns["columns"][0][0]))
        self.assertEqual(404, self.get("replay/turn/999999")[0])
        self.press("close replay")
        self.assertEqual(404, self.get(f"replay/turn/{live['turn']}")[0])

    def test_a_recording_that_somebody_has_tidied_away_is_nothing_worse_than_lost(self):
        browser = self.browser()
        self.press("record", on=True)
        browser.wait("state", lambda state: state["recorded"])
        self.scope._hub.tape._folder.cleanup()
        browser.wait("state", lambda state: not state["recorded"])
        self.assertEqual(404, self.get("recording")[0])
        self.press("record", on=False)

    def test_what_is_no_recording_is_refused(self):
        nested = b'{"recording":1}\n' + b"[" * 100000 + b"\n"
        for body in (b"", b"junk\n", b'{"recording":1}\n', b'{"recording":99}\n', b'{"recording":1}\n{"t":1}\n', nested,
                     b'{"recording":1}\n' + b'{"t":0,"turn":0,"event":"nonsense"}\n', b"\xff" * 1000,
                     b'{"recording":1}\n{"t":0,"turn":0,"event":"turn"}\n'):
            with self.subTest(body=body[:50]):
                status, answer = self.ask("POST", "open?name=x", body)
                self.assertEqual((400, ["error"]), (status, list(json.loads(answer))))

    def opened(self, *moments):
        """The status of the answer to a recording in which a callback ran at these moments, each its time and turn."""
        lines = ['{"t":%s,"turn":%s,"event":"ran","callback":"f","milliseconds":1}' % moment for moment in moments]
        text = "\n".join(['{"recording":1}', *lines, ""])
        return self.ask("POST", "open?name=x", text.encode())[0]

    def test_a_recording_with_nonsense_far_from_its_beginning_is_refused_too(self):
        good = [(turn, turn) for turn in range(2000)]
        self.assertEqual(200, self.opened(*good))
        for moment in (("[" * 100000, 20001), (0, '"x"'), (0, "1e999"), (0, "true"), ("[]", 20001), ('"x"', 20001),
                       ("1e999", 20001)):
            with self.subTest(moment=str(moment)[:50]):
                self.assertEqual(400, self.opened(*good, moment))


class TestNames(EchoCase):

    program = 'a "\u65e5\u672c" server\r\n'

    def test_any_program_can_be_recorded_whatever_its_name(self):
        self.press("record", on=True)
        status, _ = self.ask("GET", "recording")
        disposition = self.head.headers["Content-Disposition"]
        self.assertEqual((200, 'attachment; filename="a_server.rec"'), (status, disposition))
        self.assertEqual(self.program, self.browser().wait("hello")["program"])


class TestComingAndGoing(EchoCase):

    def setUp(self):
        self.patch(scopes, "GRACE", 0.1)
        super().setUp()

    def is_open(self):
        return self.scope._gate.is_open

    def until(self, holds):
        for _ in range(500):
            if holds():
                return
            time.sleep(0.01)
        self.fail("it does not come true")

    def test_with_nobody_who_looks_the_loop_is_as_it_was(self):
        self.assertFalse(self.is_open())
        self.client()
        self.assertIsNone(self.reactor.observer)
        browser = self.browser()
        self.assertTrue(self.is_open())
        browser.close()
        self.until(lambda: not self.is_open())
        self.assertIsNone(self.reactor.observer)
        self.assertEqual(1, self.on_loop(lambda: len(self.scope._page.endpoints)))
        self.client()
        self.browser()

    def test_a_pause_ends_when_the_last_browser_has_left(self):
        one, other = self.browser(), self.browser()
        client = self.client()
        self.press("pause")
        client.sendall(b"x")
        one.close()
        client.settimeout(0.4)
        self.assertRaises(socket.timeout, client.recv, 10)
        other.close()
        client.settimeout(5.0)
        self.assertEqual(b"x", client.recv(10))

    def test_who_has_come_and_not_asked_yet_is_not_cut_off(self):
        browser = self.browser()
        self.press("pause")
        host, port = self.host.split(":")
        early = self.connected((host, int(port)), timeout=5.0)
        browser.close()
        self.until(lambda: not self.scope._gate.paused)
        for _ in range(3):
            self.on_loop(int)
        early.sendall(f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        self.assertEqual(b"HTTP/1.1 200 OK", early.recv(15))
        early.close()
        self.until(lambda: not self.is_open())

    def test_who_comes_as_the_page_ends_is_not_cut_off(self):
        self.patch(scopes, "GRACE", 0.0)
        for _ in range(100):
            self.assertEqual(200, self.ask("GET", "scope.css")[0])

    def test_a_page_that_is_loaded_again_finds_it_paused(self):
        self.scope_grace = mock.patch.object(scopes, "GRACE", 1.0)
        with self.scope_grace:
            browser = self.browser()
            self.press("pause")
            browser.close()
            again = self.browser()
            self.assertEqual("paused", again.wait("state")["mode"])


class TestStrangers(EchoCase):
    """Whoever knows no token, or comes by another name, gets nothing and changes nothing."""

    def raw(self, head, body=b""):
        """The status of the answer to bytes, and all of it."""
        host, port = self.host.split(":")
        with socket.create_connection((host, int(port)), timeout=5.0) as sock:
            lines = [line.format(path=self.path, host=self.host, port=port) for line in head]
            lines += ["Connection: close", f"Content-Length: {len(body)}", "", ""]
            sock.sendall("\r\n".join(lines).encode() + body)
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        return int(answer.split()[1]), answer

    def test_nothing_without_the_token(self):
        for path in ("/", "/events", "/control", self.path[:-2] + "/", self.path.upper(), "/favicon.ico", "//",
                     self.path[:-1] + "x/", "/%ff/", "/\u00e9/", "*"):
            with self.subTest(path=path):
                method = "OPTIONS" if path == "*" else "GET"
                self.assertEqual(403, self.raw([f"{method} {path} HTTP/1.1", "Host: {host}"])[0])

    def test_nothing_by_another_name(self):
        for host in ("evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example:{port}",
                     "[::1]:{port}", "0.0.0.0:{port}", "LOCALHOST:{port}", "localhost.:{port}", ""):
            with self.subTest(host=host):
                status, answer = self.raw(["GET {path} HTTP/1.1", f"Host: {host}"])
                self.assertEqual(403, status)
                self.assertNotIn(b"DOCTYPE", answer)
                self.assertEqual(403, self.press_as("POST {path}control HTTP/1.1", f"Host: {host}"))
        for hosts in (["Host: {host}", "Host: {host}"], ["Host: {host}", "Host: evil.example"], ["Host: x@{host}"], []):
            self.assertEqual(400, self.press_as("POST {path}control HTTP/1.1", *hosts))
        self.assertEqual(403, self.press_as("POST http://evil.example{path}control HTTP/1.1", "Host: {host}"))
        self.assertFalse(self.scope._gate.paused)
        self.assertEqual(403, self.raw(["GET {path} HTTP/1.0"])[0])
        self.assertEqual(403, self.raw(["GET http://evil.example{path} HTTP/1.1", "Host: {host}"])[0])
        self.assertEqual(403, self.raw(["GET http://{host}{path} HTTP/1.1", "Host: evil.example"])[0])
        self.assertEqual(200, self.raw(["GET {path} HTTP/1.1", "Host: localhost:{port}"])[0])

    def press_as(self, *head):
        """The status of the answer to somebody who wants a pause."""
        return self.raw([*head, "Content-Type: application/json"], b'{"do":"pause"}')[0]

    def test_no_button_without_the_token(self):
        for wanted in ({"do": "pause"}, {"do": "step"}, {"do": "speed", "factor": 0.001}, {"do": "record", "on": True},
                       {"do": "close", "who": "#1"}, {"do": "show", "on": True}, {"do": "experiment", "id": 1}):
            for path in ("/control", self.path[:-2] + "/control", "/" + self.path + "control"):
                head = [f"POST {path} HTTP/1.1", "Host: {host}", "Content-Type: application/json"]
                self.assertEqual(403, self.raw(head, json.dumps(wanted).encode())[0])
        state = self.browser().wait("state")
        self.assertEqual(("running", False, None, []), (state["mode"], state["recording"], state["experiment"],
                                                        state["page"]["lines"]))
        self.client()

    def test_nothing_from_another_origin(self):
        body = b'{"do":"pause"}'
        for origin in ("http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1",
                       "http://127.0.0.1", "http://localhost:{port}.evil.example", ""):
            with self.subTest(origin=origin):
                self.assertEqual(403, self.raw(["POST {path}control HTTP/1.1", "Host: {host}", f"Origin: {origin}",
                                                "Content-Type: application/json"], body)[0])
                self.assertEqual(403, self.raw(["GET {path}events HTTP/1.1", "Host: {host}", f"Origin: {origin}"])[0])
        self.assertFalse(self.scope._gate.paused)
        self.assertEqual(200, self.raw(["POST {path}control HTTP/1.1", "Host: {host}", "Content-Type: application/json",
                                        "Origin: http://localhost:{port}"], body)[0])

    def test_no_form_can_press_a_button(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
            head = ["POST {path}control HTTP/1.1", "Host: {host}"] + ([f"Content-Type: {kind}"] if kind else [])
            self.assertEqual(415, self.raw(head, b'{"do":"pause"}')[0])
        self.assertFalse(self.scope._gate.paused)

    def test_no_other_method_does_anything(self):
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
            for path in ("control", "open"):
                status, answer = self.raw([method + " {path}" + path + " HTTP/1.1", "Host: {host}",
                                           "Content-Type: application/json"], b'{"do":"pause"}')
                self.assertEqual(405, status)
                self.assertIn(b"Allow: POST", answer)
        for path in ("", "events", "scope.js", "recording"):
            self.assertEqual(405, self.raw(["POST {path}" + path + " HTTP/1.1", "Host: {host}"], b"x")[0])
        self.assertEqual(404, self.raw(["GET {path}nothing HTTP/1.1", "Host: {host}"])[0])
        self.assertEqual(404, self.raw(["GET {path}../page.py HTTP/1.1", "Host: {host}"])[0])
        self.assertFalse(self.scope._gate.paused)

    def test_bodies_have_a_limit_of_their_own(self):
        for path, length in (("{path}control", 70000), ("{path}open", 10 ** 9), ("/wrong/open", 70000)):
            status, _ = self.raw([f"POST {path} HTTP/1.1", "Host: {host}", "Content-Type: application/json",
                                  f"X: {length}"], b"x" * length) if length < 10 ** 6 else self.announced(path, length)
            self.assertEqual(413, status)

    def announced(self, path, length):
        """As raw(), for a body that is only announced."""
        host, port = self.host.split(":")
        with socket.create_connection((host, int(port)), timeout=5.0) as sock:
            path = path.format(path=self.path)
            sock.sendall(f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {length}\r\n\r\n".encode())
            answer = sock.recv(65536)
        return int(answer.split()[1]), answer

    def test_it_listens_on_this_machine_alone(self):
        self.assertEqual({"127.0.0.1"}, {sock.getsockname()[0] for sock in self.scope._listener._sockets})

    def test_no_accept_can_block_the_loop(self):
        self.assertEqual({0.0}, {sock.gettimeout() for sock in self.scope._listener._sockets})

    def test_a_stranger_who_knocks_changes_nothing_but_that_the_door_is_answered(self):
        client = self.client()
        for _ in range(5):
            self.raw(["GET / HTTP/1.1", "Host: evil.example"])
        client.sendall(b"still here")
        self.assertEqual(b"still here", client.recv(100))
        reset(client)


if __name__ == "__main__":
    unittest.main()
