"""Every program of the course texts: their clients against our servers, our clients against their servers."""
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from .running import POSIX, ROOT, Running, client, connected, everything, program, serving, talked

SERVERS = {"echo": ("echo_server",), "upper": ("uppercase_server",), "once": ("uppercase_server", "--once"),
           "lines": ("uppercase_server", "--lines"), "udp": ("uppercase_server", "--udp"), "hello": ("hello_server",),
           "book": ("address_book_server",), "clock": ("clock_server",),
           "blackjack": ("blackjack_server", "--seed", "1"), "bulk": ("bulk_receiver",)}


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with ThreadPoolExecutor(len(SERVERS)) as pool:
            started = pool.map(lambda command: Running(*command, "--port", 0), SERVERS.values())
            cls.running = dict(zip(SERVERS, started))
        cls.port = {name: server.port for name, server in cls.running.items()}

    @classmethod
    def tearDownClass(cls):
        for server in cls.running.values():
            server.__exit__()

    def assert_says(self, finished, out, status=0):
        self.assertEqual((finished.stdout.decode(), finished.returncode), (out, status), finished.stderr.decode())

    # -- the texts' clients, blocking and unframed, and our servers

    def ask(self, name, request):
        """The client that all the texts print: connect, send without a newline, recv once, close."""
        with connected(self.port[name]) as sock:
            sock.send(request)
            return sock.recv(1024)

    def test_row_1_and_12_udp_capitals_return_to_their_sender(self):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            for data in (b"MixedCaseString", b"", "\u00e9t\u00e9".encode(), b"x" * 65507):
                sock.sendto(data, ("127.0.0.1", self.port["udp"]))
                self.assertEqual(sock.recvfrom(65536)[0], data.upper())

    def test_row_3_capitals_and_close(self):
        with connected(self.port["once"]) as sock:
            sock.send(b"hello")
            self.assertEqual(everything(sock), b"HELLO")

    def test_row_7_echo_with_a_client_that_aborts_beside_it(self):
        with connected(self.port["echo"]) as other:
            other.send(b"x")
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.assertEqual(self.ask("echo", b"Hello, world"), b"Hello, world")

    def test_row_13_a_session_of_lines_ends_at_an_empty_one(self):
        with connected(self.port["lines"]) as sock:
            sock.sendall(b"one\ntwo\r\n\n")
            self.assertEqual(everything(sock), b"ONE\r\nTWO\r\n")

    def test_row_19_hello(self):
        with connected(self.port["hello"]) as sock:
            self.assertEqual(everything(sock), b"Hello 127.0.0.1\r\n")

    def test_row_20_the_same_seed_deals_the_same_cards(self):
        first = talked(self.port["blackjack"], b"s\nq\n")
        with Running("blackjack_server", "--seed", 1, "--port", 0) as again:
            self.assertEqual(talked(again.port, b"s\r\nq\r\n"), first)
        self.assertIn(b"a hidden card", first)

    def test_row_25_the_address_book_knows_john_and_survives_a_stranger(self):
        self.assertEqual(self.ask("book", b"John").rstrip(), b"C45")
        self.assertEqual(talked(self.port["book"], b"nobody\nphoebe\n").splitlines()[1], b"D52")

    def test_row_28_the_clock(self):
        answers = talked(self.port["clock"], b"Date\nTime\nDate and Time\nDateAndTime\nbla\n").decode().split("\r\n")
        for answer, shape in zip(answers, (r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d", r"[-0-9]{10} [:0-9]{8}\.\d{6}",
                                           r"[-0-9]{10} [:0-9]{8}\.\d{6}", "UNKNOWN OPTION: BLA")):
            self.assertRegex(answer, f"^{shape}$")
        self.assertEqual(self.ask("clock", b"x").rstrip(), b"UNKNOWN OPTION: X")

    def test_row_25_a_book_of_ones_own(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "book.json")
            with open(path, "w") as file:
                json.dump({"Ada": "A1"}, file)
            with Running("address_book_server", "--book", path, "--port", 0) as server:
                self.assertEqual(talked(server.port, b"ada\n"), b"A1\r\n")

    # -- our clients and our servers

    def test_the_clients_of_lines_print_the_replies(self):
        self.assert_says(client("echo_client", "localhost", self.port["echo"], stdin=b"one\ntwo"), "one\ntwo\n")
        self.assert_says(client("uppercase_client", "127.0.0.1", self.port["upper"], stdin=b"hello\n\nnever\n"),
                         "From Server: HELLO\n")
        self.assert_says(client("uppercase_client", "127.0.0.1", self.port["lines"], stdin=b"hello\n\nnever\n"),
                         "From Server: HELLO\n")
        self.assert_says(client("uppercase_client", "--udp", "127.0.0.1", self.port["udp"], stdin=b"a\nb"),
                         "From Server: A\nFrom Server: B\n")
        self.assert_says(client("address_book_client", "127.0.0.1", self.port["book"], stdin=b"John\nADAM\n"),
                         "C45\nB23\n")

    def test_row_29_the_clock_client_has_the_words_of_the_text(self):
        finished = client("clock_client", "127.0.0.1", self.port["clock"], stdin=b"Date\n-1\nTime\n")
        prompt = "Please provide an input (Date, Time, DateAndTime or -1 to exit): \n"
        self.assertRegex(finished.stdout.decode(), "^" + re.escape(prompt) + "Connected to server\nSending data\n"
                         r"Received from server: \d{4}-\d\d-\d\d\nClosing socket\n" + re.escape(prompt) + "$")
        self.assertEqual(finished.returncode, 0)

    def test_row_22_bulk_meets_partial_sends_and_eagain_and_is_checked(self):
        finished = client("bulk_sender", "127.0.0.1", self.port["bulk"])
        out = finished.stdout.decode()
        partial, blocked = map(int, re.search(r"(\d+) partial sends, (\d+) times EAGAIN", out).groups())
        self.assertTrue(partial > 0 and blocked > 0, out)
        for words in ("Bytes to send: 7340032\n", "Sending data\n", "Blocking with ", "small on purpose",
                      "7340032 bytes sent", ": correct\n"):
            self.assertIn(words, out)
        self.assertEqual(finished.returncode, 0, finished.stderr)

    def test_row_22_the_trace_has_what_was_taken_before_the_eagain_that_followed(self):
        finished = client("bulk_sender", "--trace", "127.0.0.1", self.port["bulk"])
        told = finished.stderr.decode()
        self.assertRegex(told, r"still ours\n.*send: not now \(EAGAIN\)\n")
        self.assertNotRegex(told, r"send: not now \(EAGAIN\)\n.*still ours\n")

    def test_row_22_a_slow_receiver_takes_its_time(self):
        with Running("bulk_receiver", "--slow", 400_000, "--port", 0) as receiver:
            start = time.monotonic()
            finished = client("bulk_sender", "--bytes", 200_000, "127.0.0.1", receiver.port)
            self.assertGreater(time.monotonic() - start, 0.25)
            self.assertRegex(finished.stdout.decode(), r"[1-9]\d* partial sends, [1-9]\d* times EAGAIN")
            self.assertIn("200000 bytes, sha256", receiver.end()[1])

    def test_row_8_look_ups(self):
        finished = client("lookup", "localhost", "127.0.0.1", "nobody.invalid")
        self.assertIn("2130706433 in host byte order", finished.stdout.decode())
        self.assertEqual((finished.returncode, finished.stderr.count(b"\n")), (1, 1))

    # -- talk

    def test_talk_prints_what_is_owed_and_ends_at_end_of_input(self):
        self.assert_says(client("talk", "localhost", self.port["echo"], stdin=b"hello\n"), "hello\n")
        self.assert_says(client("talk", "127.0.0.1", self.port["hello"]), "Hello 127.0.0.1\r\n")
        self.assert_says(client("talk", "--half-close", "127.0.0.1", self.port["book"], stdin=b"John\nAdam"),
                         "C45\r\nB23\r\n")

    def test_talk_takes_a_large_file(self):
        data = os.urandom(2_000_000)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            finished = subprocess.run(program("talk", "127.0.0.1", self.port["echo"]), cwd=ROOT, stdin=file,
                                      stdout=subprocess.PIPE, timeout=10)
        self.assertTrue(finished.stdout == data)

    def test_talk_chops_into_segments(self):
        def handle(listener):
            sock, _ = listener.accept()
            with sock:
                pieces.extend(iter(lambda: sock.recv(100), b""))

        pieces = []
        with serving(handle) as port:
            self.assertEqual(client("talk", "--chop", "2", "127.0.0.1", port, stdin=b"abcdefg").returncode, 0)
        self.assertEqual(b"".join(pieces), b"abcdefg")
        self.assertGreater(len(pieces), 2)

    def test_talk_reads_slowly(self):
        start = time.monotonic()
        finished = client("talk", "--slow", 10_000, "127.0.0.1", self.port["echo"], stdin=b"x" * 4000)
        self.assert_says(finished, "x" * 4000)
        self.assertGreater(time.monotonic() - start, 0.35)

    @unittest.skipUnless(POSIX, "a reset is reported differently elsewhere")
    def test_talk_resets(self):
        def handle(listener):
            sock, _ = listener.accept()
            with sock:
                try:
                    everything(sock)
                except ConnectionResetError as exc:
                    seen.append(exc)

        seen = []
        with serving(handle) as port:
            self.assertEqual(client("talk", "--reset", "127.0.0.1", port, stdin=b"bye").returncode, 0)
        self.assertEqual(len(seen), 1)

    @unittest.skipUnless(POSIX, "a pseudo-terminal")
    def test_on_a_terminal_there_is_a_prompt(self):
        import pty

        ours, theirs = pty.openpty()
        with subprocess.Popen(program("uppercase_client", "127.0.0.1", self.port["upper"]), cwd=ROOT, stdin=theirs,
                              stdout=subprocess.PIPE) as process:
            os.write(ours, b"hello\n\x04")
            out, _ = process.communicate(timeout=10)
        os.close(ours)
        os.close(theirs)
        self.assertEqual(out, b"Input lowercase sentence: From Server: HELLO\nInput lowercase sentence: ")
        self.assertEqual(process.returncode, 0)

    # -- nobody there, or gone

    def test_a_server_that_is_not_there_is_one_line_and_status_1(self):
        with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            sock.bind(("127.0.0.1", 0))  # bound and not listening: refused
            datagrams.bind(("127.0.0.1", 0))
            port, silent = sock.getsockname()[1], datagrams.getsockname()[1]
            names = "echo_client", "uppercase_client", "address_book_client", "clock_client", "talk", "bulk_sender"
            commands = [[name, "127.0.0.1", port] for name in names]
            commands.append(["uppercase_client", "--udp", "--timeout", "0.1", "127.0.0.1", silent])
            commands += [["talk", "no..host", 9], ["uppercase_client", "--udp", "no..host"]]
            with ThreadPoolExecutor(len(commands)) as pool:
                for finished in pool.map(lambda command: client(*command, stdin=b"x\n"), commands):
                    with self.subTest(command=finished.args):
                        self.assertEqual((finished.returncode, finished.stderr.count(b"\n")), (1, 1), finished.stderr)

    def test_a_server_that_vanishes_with_answers_owed_is_one_line_and_status_1(self):
        def handle(listener):
            for _ in range(2):
                sock, _ = listener.accept()
                sock.recv(100)
                sock.close()

        with serving(handle) as port:
            for name in ("echo_client", "address_book_client"):
                finished = client(name, "127.0.0.1", port, stdin=b"x\n")
                self.assertEqual((finished.returncode, finished.stderr.count(b"\n")), (1, 1), finished.stderr)

    # -- the texts' servers and our clients

    def test_our_client_and_the_texts_uppercase_server(self):
        """Row 3: accept, recv, reply in capitals, close."""
        def handle(listener):
            sock, _ = listener.accept()
            with sock:
                sock.send(sock.recv(2048).decode().upper().encode())

        with serving(handle) as port:
            self.assert_says(client("uppercase_client", "127.0.0.1", port, stdin=b"hello\n"), "From Server: HELLO\n")

    def test_our_client_and_the_texts_udp_server(self):
        """Rows 1 and 6."""
        def handle(sock):
            message, address = sock.recvfrom(2048)
            sock.sendto(message.decode().upper().encode(), address)

        with serving(handle, datagrams=True) as port:
            self.assert_says(client("uppercase_client", "--udp", "127.0.0.1", port, stdin=b"Mixed\n"),
                             "From Server: MIXED\n")

    def test_our_client_and_the_texts_session_of_lines(self):
        """Row 13: readline, strip, capitals without any newline; an empty line ends it."""
        def handle(listener):
            sock, _ = listener.accept()
            with sock, sock.makefile("rb") as lines:
                while True:
                    line = lines.readline().strip()
                    if not line:
                        break
                    sock.sendall(line.upper())

        with serving(handle) as port:
            self.assert_says(client("uppercase_client", "127.0.0.1", port, stdin=b"a\nb\n\n"),
                             "From Server: A\nFrom Server: B\n")

    def test_our_clients_and_the_texts_servers_of_one_recv(self):
        """Rows 7, 25 and 28: a newline in the request would be an unknown name there."""
        def handle(listener):
            for _ in range(2):
                sock, _ = listener.accept()
                with sock:
                    while True:
                        data = sock.recv(1024).decode()
                        if not data:
                            break
                        sock.sendall({"JOHN": "C45", "ADAM": "B23"}[data.upper()].encode())

        with serving(handle) as port:
            self.assert_says(client("address_book_client", "127.0.0.1", port, stdin=b"John\nAdam\n"), "C45\nB23\n")
        with serving(handle) as port:
            finished = client("clock_client", "127.0.0.1", port, stdin=b"John\nAdam\n-1\n")
            self.assertIn(b"Received from server: C45\n", finished.stdout)
