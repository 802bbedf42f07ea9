"""The twenty-line application (row 27 of the course texts)."""
import re
import unittest

from demos.web_hello_server import hello, plain
from tests.protocols.http.support import GET, answer


class Hello(unittest.TestCase):

    def test_the_greeting_has_the_date_and_the_time(self):
        head, _, body = answer(GET, hello).sent.partition(b"\r\n\r\n")
        self.assertRegex(body, rb"^Hello From Server at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
        self.assertIn(b"Content-Type: text/plain", head)
        self.assertIn(b"Content-Length: %d" % len(body), head)

    def test_the_form_comes_back(self):
        self.assertIn(b"<form", answer(GET.replace(b"/ ", b"/form "), hello).sent)
        form = b"name=J%C3%B6rg+%3Cb%3E&empty="
        sent = answer(b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(form), form), hello).sent
        self.assertTrue(sent.endswith("\r\n\r\nname = Jörg <b>\nempty = \n".encode()))
        self.assertIn(b"Content-Type: text/plain", sent)

    def test_bytes_that_are_no_text_hurt_nobody(self):
        self.assertEqual(answer(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\xff=%f", hello).statuses,
                         [200])

    def test_another_method_is_told_which_there_are(self):
        sent = answer(b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", hello).sent
        self.assertTrue(re.match(rb"HTTP/1.1 405 .*Allow: GET, HEAD, POST\r\n", sent, re.DOTALL))


class Plain(unittest.TestCase):

    def test_every_get_has_the_same_answer(self):
        for path in b"/ ", b"/any/thing?at=all ":
            sent = answer(GET.replace(b"/ ", path, 1), plain("hello, world")).sent
            self.assertTrue(sent.endswith(b"\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n"))

    def test_nothing_else_has(self):
        self.assertEqual(answer(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", plain("x")).statuses, [405])


if __name__ == "__main__":
    unittest.main()
