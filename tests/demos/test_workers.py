"""Several processes on one port: real ones, killed, replaced under load and ended."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from demos import workers
from demos.workers import Slot, Supervisor, open_slots
from tests.case import Case

from .running import PATIENCE, POSIX, PROMPT, ROOT, Running, client, connected, program

BOUND = 30.0  # seconds after which a server that hangs is killed, so that no read waits for ever


class Workers(Running):
    """A server with several processes, killed when it takes too long."""

    def __init__(self, name, *arguments, count=2, **kwargs):
        super().__init__(name, *arguments, "--workers", count, **kwargs)
        self._watchdog = threading.Timer(BOUND, self.process.kill)
        self._watchdog.start()

    def __exit__(self, *exc_info):
        self._watchdog.cancel()
        self._watchdog.join()
        super().__exit__(*exc_info)

    @property
    def pids(self):
        """The workers that live, those which drain included."""
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
        pairs = [line.split() for line in listing.stdout.decode().splitlines()]
        return {int(pid) for pid, parent in pairs if int(parent) == self.process.pid}

    def complaint(self):
        """The next line on stderr."""
        return self.process.stderr.readline().decode().rstrip("\n")

    def renew(self):
        """SIGHUP; returns when all workers are new."""
        self.process.send_signal(signal.SIGHUP)
        return self.complaint()


def echoes(sock, data=b"hello"):
    sock.sendall(data)
    return sock.recv(100) == data


def refused(port):
    try:
        connected(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the queue of one that is ending
    return False


def eventually(condition):
    """Wait for what other processes do; false where it does not come."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@unittest.skipUnless(POSIX, "workers")
class Deaths(unittest.TestCase):

    @unittest.skipUnless(shutil.which("ps"), "ps")
    def test_a_worker_that_is_killed_is_replaced_and_who_waited_for_it_is_served(self):
        with Workers("echo_server", "--port", 0) as server:
            before = server.pids
            self.assertEqual(len(before), 2)
            os.kill(min(before), signal.SIGKILL)
            self.assertRegex(server.complaint(), r"^echo: worker \d ended \(SIGKILL\), the next one starts in 0.1 s$")
            for _ in range(20):  # about half of them fall to the one that is being started
                with connected(server.port) as sock:
                    self.assertTrue(echoes(sock))
            self.assertTrue(eventually(lambda: len(server.pids) == 2))
            self.assertEqual(len(server.pids & before), 1)

    def test_no_worker_outlives_a_parent_that_was_killed(self):
        with Workers("echo_server", "--port", 0) as server:
            server.process.kill()
            server.process.wait()
            self.assertTrue(eventually(lambda: refused(server.port)))

    def test_a_retired_worker_gives_its_connections_a_limited_time(self):
        reactor = mock.Mock(endpoints=set())
        ours, theirs = socket.socketpair()
        with theirs, mock.patch.object(workers, "Listener"), mock.patch.object(workers.signal, "signal"):
            workers.work(reactor, None, [ours.detach()])
            reactor.call_later.assert_called_once_with(workers.DRAIN, reactor.shut_down)
            reactor.adopt.call_args[0][1].close()


@unittest.skipUnless(POSIX, "workers")
class Pauses(Case):

    def setUp(self):
        super().setUp()
        self.complaints = []
        self.reactor = self.open_real_reactor()

    def supervisor(self, script, slot):
        return Supervisor(self.reactor, "test", [slot], ["sh", "-c", script], say=self.complaints.append,
                          complain=self.complaints.append, on_ready=lambda: None)

    def test_the_pause_grows_while_they_die_young(self):
        self.patch(workers, "LONGEST", 0.2)
        supervisor = self.supervisor("exit 3", Slot(1, []))
        supervisor.begin()
        self.reactor.call_later(10, self.reactor.stop)
        self.reactor.run(until=lambda: len(self.complaints) == 3)
        what = "test: worker 1 ended (exit status 3), the next one starts in "
        self.assertEqual(self.complaints, [what + "0.1 s", what + "0.2 s", what + "0.2 s"])
        supervisor._end(signal.SIGTERM)
        self.reactor.run()

    def test_what_cannot_be_started_at_all_is_tried_again(self):
        slot = Slot(1, [])
        supervisor = self.supervisor("", slot)
        supervisor._command = ["/nowhere/at/all"]
        pauses = []
        for _ in range(9):
            supervisor._start(slot)
            pauses.append(slot.pause)
        self.assertEqual(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
        supervisor._follow(slot, "it died of age", young=False)
        self.assertEqual(slot.pause, 0.1)
        self.assertEqual(self.complaints[0], "test: worker 1 cannot be started (No such file or directory), "
                                             "the next one starts in 0.1 s")

    def test_a_parent_without_workers_can_be_ended(self):
        supervisor = self.supervisor("exit 3", Slot(1, []))
        supervisor._end(signal.SIGTERM)
        self.reactor.run()
        self.assertEqual(self.complaints, ["test stops: SIGTERM"])

    def test_a_worker_that_does_not_end_is_killed(self):
        self.patch(workers, "PATIENCE", 0.05)
        slot = Slot(1, [])
        supervisor = self.supervisor("", slot)
        supervisor._command = [sys.executable, "-c", "import os, signal, sys, time; "
                               "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                               "os.write(int(sys.argv[2][2:]), b'!'); time.sleep(60)"]
        supervisor.begin()
        self.reactor.call_later(PATIENCE, self.reactor.stop)
        self.reactor.run(until=lambda: slot.serving)
        worker = slot.serving
        supervisor._end(signal.SIGTERM)
        self.reactor.run()
        self.assertEqual(worker.process.returncode, -signal.SIGKILL)


@unittest.skipUnless(POSIX, "workers")
class Hangups(Case):
    """SIGHUP at moments when something else is going on."""
    GOOD = [sys.executable, "-S", "-c", "import os, sys, time; os.write(int(sys.argv[2][2:]), b'!'); time.sleep(60)"]

    def setUp(self):
        super().setUp()
        self.reactor = self.open_real_reactor()
        self.complaints = []
        self.slots = [Slot(1, []), Slot(2, [])]
        self.supervisor = Supervisor(self.reactor, "test", self.slots, self.GOOD, say=id,
                                     complain=self.complaints.append, on_ready=lambda: None)
        self.supervisor.begin()

    def tearDown(self):
        self.supervisor._kill()
        self.supervisor._end(signal.SIGTERM)
        self.reactor.run()
        super().tearDown()

    def until(self, condition):
        limit = self.reactor.call_later(PATIENCE, self.reactor.stop)
        self.reactor.run(until=condition)
        limit.cancel()
        self.assertTrue(condition(), self.complaints)

    def until_all_serve(self):
        self.until(lambda: all(slot.serving and not slot.coming for slot in self.slots))
        return {slot.serving for slot in self.slots}

    def until_renewed(self):
        self.until(lambda: "test: all workers are new" in self.complaints)
        return self.until_all_serve()

    def test_while_the_first_ones_start_they_are_replaced_too(self):
        first = {slot.coming for slot in self.slots}
        self.supervisor._renew()
        self.assertFalse(first & self.until_renewed())

    def test_while_one_that_died_is_followed_all_are_replaced(self):
        before = self.until_all_serve()
        self.slots[0].serving.process.kill()
        self.until(lambda: self.slots[0].coming)
        before.add(self.slots[0].coming)
        self.supervisor._renew()
        self.assertFalse(before & self.until_renewed())

    def test_who_dies_while_its_successor_starts_does_not_keep_the_others_from_theirs(self):
        before = self.until_all_serve()
        self.supervisor._renew()
        self.slots[0].serving.process.kill()
        self.slots[0].serving.process.wait()
        self.supervisor._reap()
        self.assertFalse(before & self.until_renewed())

    def test_while_a_new_one_fails_there_is_another_try(self):
        before = self.until_all_serve()
        self.supervisor._command = ["false"]
        self.supervisor._renew()
        self.supervisor._command = self.GOOD  # and now the mistake is mended
        self.supervisor._renew()
        self.assertFalse(before & self.until_renewed())
        self.assertIn("so the old ones go on", self.complaints[0])


@unittest.skipUnless(POSIX, "workers")
class Traces(unittest.TestCase):

    def test_each_line_says_whose_it_is(self):
        with Workers("echo_server", "--port", 0, "--trace") as server:
            with connected(server.port) as sock:
                self.assertTrue(echoes(sock))
            lines = server.end()[2].splitlines()
        self.assertEqual({line[:9] for line in lines}, {"worker 1 ", "worker 2 "}, lines)
        self.assertEqual(sum("recv: 5 bytes" in line for line in lines), 1, lines)


class Load:
    """Clients that come and go, and one that stays, until told to stop; every failure is kept."""

    def __init__(self, dial):
        self.dial = dial
        self.failures = []
        self.served = 0
        self._stop = False
        self._threads = [threading.Thread(target=self._run, args=(often,)) for often in (1, 1, 1, 10**9)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop = True
        for thread in self._threads:
            thread.join(PATIENCE)

    def _run(self, often):
        while not self._stop:
            try:
                with self.dial() as sock:
                    for _ in range(often):
                        if not echoes(sock):
                            raise EOFError("cut")
                        self.served += 1
                        if self._stop:
                            break
                        time.sleep(0.001)  # a small load: others use this machine too
            except (OSError, EOFError) as exc:
                self.failures.append(exc)


@unittest.skipUnless(POSIX, "workers")
class Replacement(unittest.TestCase):

    def check_that_nothing_is_lost(self, server, dial):
        with Load(dial) as load:
            for _ in range(3):
                served = load.served
                self.assertEqual(server.renew(), "echo: all workers are new")
                self.assertTrue(eventually(lambda: load.served > served))
        self.assertEqual(load.failures, [])

    def test_it_loses_no_client(self):
        with Workers("echo_server", "--port", 0) as server:
            self.check_that_nothing_is_lost(server, lambda: connected(server.port))
            self.assertEqual(server.end()[:2], (0, "echo stops: SIGINT\n"))

    def test_it_loses_no_client_where_all_share_a_socket(self):
        def dial():
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(PATIENCE)
            sock.connect(path)
            return sock
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo")
            with Workers("echo_server", "--unix", path) as server:
                self.assertEqual(server.lines, [f"echo listening on {path}"])
                self.check_that_nothing_is_lost(server, dial)
                self.assertEqual(server.end()[0], 0)
            self.assertFalse(os.path.exists(path))

    def test_a_socket_that_another_server_put_in_its_place_stays(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as other:
            path = os.path.join(folder, "echo")
            with Workers("echo_server", "--unix", path) as server:
                os.rename(path, path + ".old")
                other.bind(path)
                self.assertEqual(server.end()[0], 0)
            self.assertTrue(os.path.exists(path))

    def test_the_new_ones_read_their_files_anew_and_the_old_ones_stay_where_that_fails(self):
        def office():
            return client("address_book_client", "127.0.0.1", server.port, stdin=b"Ann\n").stdout.decode()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as book:
            def write(text):
                book.seek(0)
                book.truncate()
                book.write(text)
                book.flush()
            write('{"Ann": "C1"}')
            with Workers("address_book_server", "--port", 0, "--book", book.name) as server:
                self.assertIn("C1", office())
                write('{"Ann": "C2"}')
                self.assertEqual(server.renew(), "address_book: all workers are new")
                self.assertIn("C2", office())
                write("no book at all")
                self.assertIn(book.name, server.renew())
                self.assertRegex(server.complaint(), r"new worker 1 ended \(exit status 2\), so the old ones go on$")
                self.assertIn("C2", office())
                write('{"Ann": "C3"}')
                self.assertEqual(server.renew(), "address_book: all workers are new")
                self.assertIn("C3", office())


@unittest.skipUnless(POSIX, "workers")
class Ends(unittest.TestCase):

    def ended(self, signum):
        """How a server with a greedy client ends."""
        with Workers("echo_server", "--port", 0) as server:
            with connected(server.port) as sock, connected(server.port) as greedy:
                self.assertTrue(echoes(sock))
                greedy.setblocking(False)
                try:
                    while True:
                        greedy.send(bytes(65536))  # and never reads
                except BlockingIOError:
                    return server.end(signum)

    def test_ctrl_c_and_sigterm_end_all_within_two_seconds_whatever_the_clients_do(self):
        signals = signal.SIGINT, signal.SIGTERM
        with ThreadPoolExecutor() as pool:
            for signum, (status, out, err, seconds) in zip(signals, pool.map(self.ended, signals)):
                with self.subTest(signum=signum):
                    self.assertEqual((status, out, err), (0, f"echo stops: {signum.name}\n", ""))
                    self.assertLess(seconds, PROMPT)

    def test_an_impatient_second_ctrl_c_does_not_interrupt_the_end(self):
        with Workers("echo_server", "--port", 0) as server:
            server.process.send_signal(signal.SIGINT)
            while server.process.poll() is None:
                server.process.send_signal(signal.SIGINT)
                time.sleep(0.001)
            self.assertEqual(server.end()[:3], (0, "echo stops: SIGINT\n", ""))

    def test_a_terminal_that_is_closed_ends_it(self):
        import pty  # not on Windows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork() beside threads: this one only runs a program
            pid, master = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            command = [*program("echo_server", "--port", 0, "--workers", 2)]
            os.execv(command[0], command)
        self.assertIn(b"listening", os.read(master, 1000))
        os.close(master)
        watchdog = threading.Timer(PATIENCE, os.kill, (pid, signal.SIGKILL))
        watchdog.start()
        self.assertEqual(os.waitpid(pid, 0)[1], 0)  # an exit status, not a signal: neither the hangup's nor ours
        watchdog.cancel()
        watchdog.join()


@unittest.skipUnless(POSIX, "workers")
class Sockets(Case):

    def test_a_port_that_is_taken_is_refused_not_shared(self):
        slots = open_slots(3, "127.0.0.1", 0, None)
        for slot in slots:
            self.addCleanup(slot.sockets[0].close)
        port = slots[0].sockets[0].getsockname()[1]
        self.assertEqual({slot.sockets[0].getsockname() for slot in slots}, {("127.0.0.1", port)})
        with self.assertRaises(OSError):
            open_slots(1, "127.0.0.1", port, None)

    def test_all_share_one_socket_where_the_kernel_would_not_share_out(self):
        self.patch(workers, "SHARES_OUT", False)
        slots = open_slots(3, "127.0.0.1", 0, None)
        self.addCleanup(slots[0].sockets[0].close)
        self.assertEqual(len({sock for slot in slots for sock in slot.sockets}), 1)

    def test_mistakes_are_told_in_one_line(self):
        mistakes = {("echo_server", "--workers", 0): "from 1 to 256",
                    ("echo_server", "--workers", "x"): "from 1 to 256",
                    ("uppercase_server", "--udp", "--workers", 2): "--workers",
                    ("echo_server", "--record-bytes", "--workers", 2): "--record",
                    ("http_server", "--directory", "/nowhere", "--workers", 2): "--directory"}
        running = {arguments: subprocess.Popen(program(*arguments), cwd=ROOT, stdout=subprocess.PIPE,
                                               stderr=subprocess.PIPE) for arguments in mistakes}
        for arguments, process in running.items():
            with self.subTest(arguments=arguments), process:
                out, err = process.communicate(timeout=20)
                self.assertEqual((process.returncode, out, err.count(b"\n")), (2, b"", 1), err)
                self.assertIn(mistakes[arguments], err.decode())


if __name__ == "__main__":
    unittest.main()
