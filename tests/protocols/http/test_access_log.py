"""The access log: one line for each answer, whatever a client sends."""
import re
import unittest

from protocols.http.access_log import TOGETHER, AccessLog, log_line
from tests.protocols.http.site import CLIENT, request

LINE = re.compile(r'\A127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
                  r'"([^"\\]|\\x[0-9a-f]{2})*" \d{3} (\d+|-)\n\Z', re.ASCII)


class Lines(unittest.TestCase):
    def test_the_common_log_format(self):
        line = log_line(CLIENT, request("/a?b").head, 200, 1024, 1_700_000_000)
        self.assertRegex(line, LINE)
        self.assertTrue(line.endswith('] "GET /a?b HTTP/1.1" 200 1024\n'))

    def test_nothing_sent_is_a_dash(self):
        self.assertTrue(log_line(CLIENT, request("/").head, 304, 0, 0).endswith(" 304 -\n"))

    def test_a_head_that_could_not_be_read(self):
        self.assertIn(' "-" 400 ', log_line(CLIENT, None, 400, 5, 0))

    def test_a_unix_socket_has_no_address(self):
        for peer in ("", None, b""):
            self.assertTrue(log_line(peer, None, 200, 1, 0).startswith("- - - ["))

    def test_no_character_breaks_the_line(self):
        for number in range(256):
            line = log_line(CLIENT, request("/" + chr(number), "GET").head, 200, 1, 0)
            self.assertRegex(line, LINE)
            self.assertTrue(line.isascii() and line[:-1].isprintable(), repr(line))


class Writing(unittest.TestCase):
    def setUp(self):
        self.written, self.timers = [], []
        self.log = AccessLog(self.written.append, lambda delay, callback: self.timers.append(callback), lambda: 0)

    def test_lines_are_written_together_in_order(self):
        for number in range(3):
            self.log(CLIENT, request(f"/{number}").head, 200, 1)
        self.assertEqual((len(self.timers), self.written), (1, []))
        self.timers.pop()()
        self.assertEqual(len(self.written), 1)
        self.assertEqual([line.split()[6] for line in self.written[0].splitlines()], ["/0", "/1", "/2"])

    def test_a_flood_does_not_wait(self):
        for _ in range(TOGETHER * 2 + 1):
            self.log(CLIENT, None, 200, 1)
        self.assertEqual(len(self.written), 2)

    def test_a_reader_that_left_ends_the_log_and_nothing_else(self):
        def broken(text):
            calls.append(text)
            raise BrokenPipeError

        calls = []
        log = AccessLog(broken, lambda delay, callback: None, lambda: 0)
        for _ in range(3):
            log(CLIENT, None, 200, 1)
            log.flush()
        self.assertEqual(len(calls), 1)


if __name__ == "__main__":
    unittest.main()
