"""CGI (RFC 3875): programs below cgi-bin/, on the reactor, turn by turn."""
import os
import socket
import sys
import time
import unittest
from unittest import mock

from protocols.http.files import FileApplication
from protocols.http.message import Later, Response
from reactor import Reactor
from tests.protocols.http.site import SiteCase, request

POSIX = os.name == "posix"

if POSIX:
    from demos.http_cgi import CgiApplication, CgiLimits, parse_head
    from protocols.http.server import HttpServer

PYTHON = f"#!{sys.executable} -IS\n"


class Heads(unittest.TestCase):
    @unittest.skipUnless(POSIX, "CGI is for POSIX")
    def setUp(self):
        """Nothing to make."""

    def test_status_and_fields(self):
        """RFC 3875 section 6.3."""
        for text, expected in (
                ("Content-Type: text/plain", (200, (("Content-Type", "text/plain"),))),
                ("content-type:a/b\r\nStatus: 404 Not Found\r\nX: y", (404, (("content-type", "a/b"), ("X", "y")))),
                ("Location: /x", (302, (("Location", "/x"),))),
                ("Status: 301\nLocation: http://a/", (301, (("Location", "http://a/"),))),
                ("Status: 204", (204, ()))):
            self.assertEqual(parse_head(text), expected)

    def test_framing_is_not_the_programs(self):
        head = "Content-Type: a/b\nContent-Length: 3\nTransfer-Encoding: chunked\nConnection: close"
        self.assertEqual(parse_head(head), (200, (("Content-Type", "a/b"),)))

    def test_what_is_no_head(self):
        for text in ("", "hello", "X: y", "Content-Type: a\nbroken", "Content-Type: a\n folded", "Content-Type : a",
                     "Status: 99\nContent-Type: a", "Status: 2000\nContent-Type: a", "Status: x\nContent-Type: a",
                     "Status: 101", "Content-Type: a\rX: y", "Content-Type: a\0"):
            with self.assertRaises(ValueError, msg=text):
                parse_head(text)


@unittest.skipUnless(POSIX, "CGI is for POSIX")
class CgiCase(SiteCase):
    def setUp(self):
        super().setUp()
        self.reactor = Reactor()
        self.addCleanup(self.reactor.close)
        self.addCleanup(lambda: self.application.close())
        self.make()

    def make(self, **limits):
        self.application = CgiApplication(self.reactor, self.site, FileApplication(self.site),
                                          server=("localhost", 8080), limits=CgiLimits(**limits))

    def program(self, text, name="run", mode=0o755):
        path = self.write("cgi-bin/" + name, text.encode())
        os.chmod(path, mode)

    def shell(self, text, name="run"):
        self.program("#!/bin/sh\n" + text, name)

    def turn_until(self, true):
        deadline = time.monotonic() + 10
        while not true():
            self.assertLess(time.monotonic(), deadline, "nothing happened")
            self.reactor.turn(0.05)

    def answer(self, target="/cgi-bin/run", method="GET", body=b"", **fields):
        """The Response, waited for."""
        asked = request(target, method, **fields)
        asked.body = body
        answer = self.application(asked)
        if isinstance(answer, Response):
            return answer
        self.assertIsInstance(answer, Later)
        answers = []
        answer.deliver_to(answers.append)
        self.turn_until(lambda: answers)
        return answers[0]

    def body(self, response):
        """All of a Stream, as a protocol would ask for it."""
        if isinstance(response.body, bytes):
            return response.body
        whole, ended = [], []

        def ask():
            for piece in response.body.pieces:
                if not piece:
                    return
                whole.append(piece)
            ended.append(True)

        response.body.wake = ask
        ask()
        self.turn_until(lambda: ended)
        response.close()
        return b"".join(whole)

    def run_program(self, *args, **kwargs):
        response = self.answer(*args, **kwargs)
        return response.status, self.body(response)

    def nothing_runs(self):
        self.turn_until(lambda: not self.application._running)


class Running(CgiCase):
    def test_what_it_writes_is_the_answer(self):
        self.shell("echo 'Content-Type: text/plain'; echo 'Status: 201 Made'; echo 'X-A: b'; echo; echo hello")
        response = self.answer()
        self.assertEqual((response.status, response.headers), (201, (("Content-Type", "text/plain"), ("X-A", "b"))))
        self.assertEqual(self.body(response), b"hello\n")
        self.nothing_runs()

    def test_it_reads_the_body(self):
        self.shell("echo 'Content-Type: a/b'; echo; cat")
        body = os.urandom(1_000_000)
        self.assertEqual(self.run_program(method="POST", body=body), (200, body))

    def test_it_need_not_read_the_body(self):
        self.shell("echo 'Content-Type: a/b'; echo; echo done")
        self.assertEqual(self.run_program(method="POST", body=bytes(1_000_000)), (200, b"done\n"))

    def test_the_variables(self):
        """RFC 3875 section 4.1."""
        self.shell("echo 'Content-Type: a/b'; echo; env")
        _, out = self.run_program("/cgi-bin/run/extra/p%20i?x=%201&y", "POST", b"abc", content_type="a/b", host="h:1",
                                  user_agent="me", cookie="c", authorization="secret", proxy="http://evil", x_y="1")
        found = dict(line.split("=", 1) for line in out.decode().splitlines())
        expected = {
            "GATEWAY_INTERFACE": "CGI/1.1", "QUERY_STRING": "x=%201&y", "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/cgi-bin/run", "PATH_INFO": "/extra/p i", "PATH_TRANSLATED": self.site + "/extra/p i",
            "SERVER_NAME": "localhost", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": "3",
            "CONTENT_TYPE": "a/b", "REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "me", "HTTP_COOKIE": "c",
            "HTTP_X_Y": "1"}
        self.assertEqual({name: found.get(name) for name in expected}, expected)
        self.assertEqual({"HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_CONTENT_TYPE", "HOME"} & found.keys(), set())

    def test_query_string_is_always_there_and_path_info_only_if_there_is_one(self):
        """RFC 3875 sections 4.1.5 and 4.1.7."""
        self.shell('echo "Content-Type: a/b"; echo\n'
                   'echo "${QUERY_STRING-none}|${PATH_INFO-none}|${CONTENT_LENGTH-none}"')
        self.assertEqual(self.run_program()[1], b"|none|none\n")

    def test_a_header_with_an_underscore_cannot_pose_as_another(self):
        self.shell('echo "Content-Type: a/b"; echo; echo "$HTTP_X_USER"')
        asked = request("/cgi-bin/run")
        asked.head.headers.__init__([("X_User", "admin")])
        with mock.patch("tests.demos.test_http_cgi.request", return_value=asked):
            self.assertEqual(self.run_program()[1], b"\n")

    def test_bytes_that_are_not_utf8_arrive_as_they_are(self):
        self.program(PYTHON + "import os, sys\nprint('Content-Type: a/b\\n', flush=True)\n"
                     "os.write(1, os.environb[b'PATH_INFO'] + os.environb[b'HTTP_X'])\n")
        self.assertEqual(self.run_program("/cgi-bin/run/%ff%0a", x="\xe9")[1], b"/\xff\n\xe9")

    def test_nothing_of_the_query_is_run(self):
        """Nor are words of it arguments (CVE-2012-1823)."""
        self.shell('echo "Content-Type: a/b"; echo; echo "$#"')
        for query in ("-s", "a+b", "$(touch%20x)", "`id`", "%24%28id%29"):
            self.assertEqual(self.run_program("/cgi-bin/run?" + query)[1], b"0\n")

    def test_output_beyond_the_mark_waits_for_the_client(self):
        self.program(PYTHON + "import os\nos.write(1, b'Content-Type: a/b\\n\\n')\n"
                     "for _ in range(100): os.write(1, bytes(65536))\n")
        response = self.answer()
        for _ in range(30):
            self.reactor.turn(0.01)
        self.assertLess(response.body.pieces._queued, 200_000)
        self.assertEqual(len(self.body(response)), 6_553_600)


class Refusing(CgiCase):
    def test_every_other_path_is_the_folder(self):
        self.write("a.txt", b"file")
        self.assertEqual(self.answer("/a.txt").body, b"file")
        self.assertEqual(self.answer("/cgi-binary").status, 404)

    def test_what_is_no_program(self):
        self.program("text", "data.txt", 0o644)
        os.mkdir(os.path.join(self.site, "cgi-bin", "sub"))
        for target, status in (("/cgi-bin", 404), ("/cgi-bin/", 404), ("/cgi-bin/missing", 404), ("/cgi-bin/sub", 404),
                               ("/cgi-bin/data.txt", 403), ("/cgi-bin/../a", 404), ("/CGI-BIN/x", 404)):
            self.assertEqual(self.answer(target).status, status, target)

    def test_the_source_of_a_program_is_never_shown(self):
        self.shell("# secret\necho 'Content-Type: a/b'; echo")
        os.symlink("cgi-bin", os.path.join(self.site, "link"))
        for target in ("/cgi-bin/run", "//cgi-bin/run", "/./cgi-bin/run", "/%63gi-bin/run", "/cgi-bin//run",
                       "/link/run"):
            self.assertEqual(self.run_program(target), (200, b""), target)

    def test_a_program_outside_is_not_run(self):
        os.makedirs(os.path.join(self.site, "cgi-bin"))
        os.symlink("/bin/sh", os.path.join(self.site, "cgi-bin", "sh"))
        self.assertEqual(self.answer("/cgi-bin/sh").status, 403)

    def test_other_methods(self):
        self.shell("echo")
        response = self.answer(method="DELETE")
        self.assertEqual((response.status, dict(response.headers)["Allow"]), (405, "GET, HEAD, POST"))

    def test_a_program_that_cannot_be_started(self):
        self.program("#!/no/such/interpreter\n")
        self.assertEqual(self.answer().status, 500)
        self.program("no interpreter line")
        self.assertEqual(self.answer().status, 500)
        self.assertEqual(self.application._running, {})

    def test_a_program_without_a_good_head(self):
        for text in ("true", "echo hello", "echo; echo hello", "echo 'X y'; echo", "head -c 20000 /dev/zero",
                     "exec 1>&-; sleep 5", "kill -9 $$"):
            self.shell(text)
            self.assertEqual(self.answer().status, 502, text)
            self.nothing_runs()


class Limits(CgiCase):
    def test_time_before_the_head(self):
        self.make(seconds=0.1)
        self.shell("sleep 100")
        self.assertEqual(self.answer().status, 504)
        self.nothing_runs()

    def test_time_within_the_body(self):
        self.make(seconds=0.3)
        self.shell("echo 'Content-Type: a/b'; echo; echo begun; sleep 100")
        response = self.answer()
        with self.assertRaises(OSError):
            self.body_raising(response)
        self.nothing_runs()

    def test_output(self):
        self.make(output=100_000)
        self.shell("echo 'Content-Type: a/b'; echo; yes")
        with self.assertRaises(OSError):
            self.body_raising(self.answer())
        self.nothing_runs()

    def body_raising(self, response):
        raised = []

        def ask():
            try:
                while next(response.body.pieces):
                    """More."""
            except OSError as exc:
                raised.append(exc)

        response.body.wake = ask
        ask()
        self.turn_until(lambda: raised)
        response.close()
        raise raised[0]

    def test_number(self):
        self.make(programs=2)
        self.shell("sleep 100")
        waiting = [self.application(request("/cgi-bin/run")) for _ in range(2)]
        refused = self.application(request("/cgi-bin/run"))
        self.assertEqual((refused.status, dict(refused.headers)["Retry-After"]), (503, "1"))
        for later in waiting:
            later.cancel()
        self.nothing_runs()

    def test_whatever_it_started_ends_with_it(self):
        marker = os.path.join(self.outside, "pid")
        self.shell(f"sleep 100 & echo $! > {marker}; wait")
        later = self.application(request("/cgi-bin/run"))
        self.turn_until(lambda: os.path.exists(marker) and os.path.getsize(marker))
        later.cancel()
        self.nothing_runs()
        with open(marker) as file:
            pid = int(file.read())
        self.turn_until(lambda: not is_alive(pid))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class OverTheNetwork(CgiCase):
    """The whole way: socket, protocol, program."""

    def test_one_that_sleeps_keeps_nobody_waiting_and_ends_with_its_connection(self):
        self.shell("sleep 100", "slow")
        self.shell("echo 'Content-Type: text/plain'; echo; echo quick", "quick")
        ours, theirs, transports = [], [], []
        for name in ("slow", "quick"):
            client, server = socket.socketpair()
            client.setblocking(False)
            self.addCleanup(client.close)
            protocol = HttpServer(self.application, call_later=self.reactor.call_later)
            transports.append(self.reactor.adopt(lambda: protocol, server)[0])
            client.sendall(f"GET /cgi-bin/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            ours.append(client)

        def read():
            try:
                theirs.append(ours[1].recv(65536))
            except BlockingIOError:
                return False
            return theirs[-1] == b""

        self.turn_until(read)
        answer = b"".join(theirs)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(answer.endswith(b"\r\n\r\n6\r\nquick\n\r\n0\r\n\r\n"), answer)
        self.turn_until(lambda: len(self.application._running) == 1)
        transports[0].abort()
        self.nothing_runs()


if __name__ == "__main__":
    unittest.main()
