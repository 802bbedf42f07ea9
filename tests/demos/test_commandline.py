import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from .running import POSIX, PROMPT, ROOT, Running, client, connected, everything, has_ipv6, program


class OneServer(unittest.TestCase):
    def test_the_ready_line_names_the_port_that_the_kernel_chose(self):
        """Edge case 75: port 0."""
        with Running("echo_server", "--port", 0) as server:
            self.assertRegex(server.lines[0], r"^echo listening on 127\.0\.0\.1:\d+$")
            with connected(server.port) as sock:
                sock.sendall(b"hello")
                self.assertEqual(sock.recv(100), b"hello")

    def test_it_ends_on_ctrl_c_whatever_its_clients_do_and_its_port_is_free_at_once(self):
        """Edge cases 74 and 150: status 0, one line, two seconds, and SO_REUSEADDR."""
        with Running("echo_server", "--port", 0) as server:
            greedy, idle = connected(server.port), connected(server.port)
            with greedy, idle:
                idle.sendall(b"x")
                idle.recv(1)
                fill(greedy)
                status, out, err, seconds = server.end()
            self.assertEqual((status, out, err), (0, "echo stops: SIGINT\n", ""))
            self.assertLess(seconds, PROMPT)
            with Running("echo_server", "--port", server.port) as again:
                self.assertEqual(again.port, server.port)
                self.assertEqual(again.end(signal.SIGTERM)[:3], (0, "echo stops: SIGTERM\n", ""))

    def test_a_second_ctrl_c_does_not_wait_for_anybody(self):
        for attempt in range(3):  # one would have waited a second; a busy machine may spoil a measurement
            with Running("echo_server", "--port", 0) as server, connected(server.port) as greedy:
                fill(greedy)
                server.process.send_signal(signal.SIGINT)
                self.assertEqual(server.process.stdout.readline(), b"echo stops: SIGINT\n")
                status, out, _, seconds = server.end()
                self.assertEqual((status, out), (0, ""))
            if seconds < 0.8:
                break
        self.assertLess(seconds, 0.8)

    def test_mistakes_are_one_line_that_says_what_to_do_and_status_2(self):
        """Edge case 78: the port is taken; and every other reason not to start."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            mistakes = {
                ("echo_server", "--port", port): "--port 0",
                ("uppercase_server", "--port", 70000): "0 to 65535",
                ("clock_server", "--port", "x"): "'x'",
                ("hello_server", "--host", "nobody.invalid"): "--host",
                ("echo_server", "--host", "192.0.2.1"): "not an address of this machine",
                ("echo_server", "--idle", "0"): "above 0",
                ("echo_server", "--unix", ""): "cannot be empty",
                ("echo_server", "--unix", "/nowhere/socket"): "--unix",
                ("echo_server", "--unix", "/tmp/" + "x" * 200): "100 bytes",
                ("echo_server", "--unix", str(ROOT / "README.md")): "there already",
                ("uppercase_server", "--udp", "--once"): "not allowed",
                ("address_book_server", "--book", "/nowhere"): "is needed",
                ("address_book_server", "--book", str(ROOT / "setup.cfg")): "is needed",
            }
            running = [subprocess.Popen(program(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                       for arguments in mistakes]
            for (arguments, advice), process in zip(mistakes.items(), running):
                with self.subTest(arguments=arguments), process:
                    out, err = process.communicate(timeout=20)
                    self.assertEqual((process.returncode, out, err.count(b"\n")), (2, b"", 1), err)
                    self.assertIn(advice, err.decode())

    def test_a_host_that_others_can_reach_is_warned_of(self):
        with Running("echo_server", "--port", 0, "--host", "0.0.0.0") as server:
            self.assertRegex(server.end()[2], "^warning: .*\n$")

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_it_serves_on_ipv6(self):
        with Running("echo_server", "--port", 0, "--host", "::1") as server:
            self.assertRegex(server.lines[0], r"^echo listening on \[::1\]:\d+$")
            self.assertEqual(client("echo_client", "::1", server.port, stdin=b"hello\n").stdout, b"hello\n")

    @unittest.skipUnless(POSIX, "Unix sockets")
    def test_it_serves_on_a_unix_socket_and_leaves_none_behind(self):
        """Edge case 79: one that a killed server left is replaced."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo")
            with Running("echo_server", "--unix", path) as server:
                server.process.kill()
                server.process.wait()
            self.assertTrue(os.path.exists(path))
            with Running("echo_server", "--unix", path) as server:
                self.assertEqual(server.lines, [f"echo listening on {path}"])
                self.assertEqual(client("talk", "--unix", path, stdin=b"hi\n").stdout, b"hi\n")
                self.assertEqual(server.end()[0], 0)
            self.assertFalse(os.path.exists(path))

    def test_an_idle_client_is_sent_away(self):
        """Edge case 109."""
        with Running("echo_server", "--port", 0, "--idle", "0.1") as server, connected(server.port) as sock:
            self.assertEqual(sock.recv(1), b"")

    def test_the_trace_says_what_the_loop_does(self):
        with Running("echo_server", "--port", 0, "--trace") as server:
            with connected(server.port) as sock:
                sock.sendall(b"hello")
                sock.recv(100)
            trace = server.end()[2]
            for words in ("accepted", "recv: 5 bytes", "the kernel took all 5 bytes"):
                self.assertIn(words, trace)

    @unittest.skipUnless(POSIX, "descriptors and SIGPIPE")
    def test_nothing_that_happens_to_stdout_and_stderr_ends_it(self):
        """Edge case 114: closed, full and broken streams, and the signal itself."""
        for redirection in (">&-", ">&- 2>&-", ">/dev/full 2>&1", ""):
            with self.subTest(redirection=redirection), socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
                free.close()
                command = " ".join(program("echo_server", "--trace", "--port", port)) + " " + redirection
                process = subprocess.Popen(["sh", "-c", "exec " + command], cwd=ROOT,
                                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                if not redirection:
                    process.stdout.readline()
                process.stdout.close()  # a broken pipe, where nothing was redirected
                with patiently_connected(port) as sock:
                    process.send_signal(signal.SIGPIPE)
                    sock.sendall(b"hello")
                    self.assertEqual(sock.recv(100), b"hello")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(10), 0)

    def test_urgent_data_changes_nothing(self):
        """Edge case 17."""
        with Running("echo_server", "--port", 0) as server, connected(server.port) as sock:
            sock.send(b"!", socket.MSG_OOB)
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(everything(sock), b"hello")


def fill(greedy):
    """Send and never read, until an echo server reads no more from this client either."""
    greedy.sendall(b"x")
    greedy.recv(1)  # accepted: it does not just sit in the backlog
    greedy.setblocking(False)
    try:
        while True:
            greedy.send(bytes(65536))
    except BlockingIOError:
        pass


def patiently_connected(port):
    # A server that can print nothing cannot say when it is ready.
    for _ in range(1000):
        try:
            return connected(port)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise AssertionError("the server does not come up")


class AllServers(unittest.TestCase):
    def test_a_port_that_is_taken_is_replaced_and_the_rest_is_served(self):
        with occupied(10000):
            with Running("", lines=1) as everyone:
                lines = [*everyone.lines]
                while not lines[-1].startswith("Or use"):
                    lines.append(everyone.process.stdout.readline().decode().rstrip("\n"))
                everyone.lines = lines
                self.assertIn("echo: port 10000 is taken, here is a free one instead", lines)
                self.assertNotEqual(everyone.ports["echo"], 10000)
                self.assertEqual(set(everyone.ports), {"echo", "uppercase", "uppercase-udp", "hello", "blackjack",
                                                       "address_book", "clock", "bulk_receiver", "http", "web_hello",
                                                       "index"})
                table = [line for line in lines if "python3 -m demos.echo_client" in line]
                self.assertIn(f"127.0.0.1:{everyone.ports['echo']}", table[0])
                self.assertEqual(everyone.end()[:2], (0, "demos stops: SIGINT\n"))


def occupied(port):
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.socket()  # taken by somebody else, which serves as well
