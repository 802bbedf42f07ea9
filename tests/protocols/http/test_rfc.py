"""What RFC 9112 (sections 2 to 9) and RFC 9110 demand of an origin server's messages: a test for each MUST.

Every name and docstring says the section.  What concerns proxies, caches, TLS and the choice of a representation is
not here; the demands on clients are where `ResponseParser` meets them.
"""
import re
import unittest

from protocols.http.message import Response, Stream
from protocols.http.parser import ResponseParser
from protocols.http.server import Limits
from tests.protocols.http.support import GET, answer, drain, events_of

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def request(line, *lines, body=b""):
    return "\r\n".join((line, *lines, "", "")).encode("latin-1") + body


class Rfc(unittest.TestCase):

    def answered(self, data, application=None, **options):
        server = answer(data, application, **options)
        self.assertEqual(set(server.statuses), {200})
        return server

    def refused(self, data, status=400):
        """Refused with `status`, closed, and nothing behind it is answered."""
        server = answer(data + GET)
        self.assertEqual((server.statuses, server.transport.closed, server.requests), ([status], True, []), data)
        return server


class Rfc9112(Rfc):

    def test_2_2_octets_in_a_superset_of_ascii(self):
        """Section 2.2: parsed as octets, whatever a multi-byte encoding would make of them."""
        server = self.answered(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe5\x0d\x0a\r\n")
        self.assertEqual(server.requests[0].headers.get("x"), "\xe5")

    def test_2_2_bare_cr_is_invalid(self):
        """Section 2.2: a CR without LF makes the element invalid."""
        for data in (b"GET / HTTP/1.1\rHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
                     b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"):
            self.refused(data)

    def test_2_2_a_sender_generates_no_bare_cr(self):
        """Section 2.2: not within any protocol element other than the content."""
        sent = answer(GET).sent
        self.assertEqual(sent.count(b"\r"), sent.count(b"\r\n"))

    def test_2_2_whitespace_before_the_first_field_is_rejected(self):
        """Section 2.2: reject, or consume each such line."""
        self.refused(request("GET / HTTP/1.1", " Host: a"))
        self.refused(request("GET / HTTP/1.1", "\tX: y", "Host: a"))

    def test_2_2_an_empty_line_before_the_request_line_is_ignored(self):
        """Section 2.2 (SHOULD)."""
        self.answered(b"\r\n" + GET)

    def test_2_3_version_of_the_answer(self):
        """Section 2.3 and RFC 9110 section 2.5: our own version, in upper case, also to HTTP/1.0."""
        for line in "GET / HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.7":
            self.assertTrue(self.answered(request(line, "Host: a")).sent.startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_2_3_another_major_version(self):
        """RFC 9110 section 15.6.6: 505, with the reason in the content."""
        for version in "0.9", "2.0", "3.1":
            self.refused(request(f"GET / HTTP/{version}", "Host: a"), 505)

    def test_3_single_spaces_between_the_parts(self):
        """Section 3."""
        for line in ("GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\x0cHTTP/1.1"):
            self.refused(request(line, "Host: a"))

    def test_3_1_methods_are_case_sensitive(self):
        """Section 3.1; an unknown one is 501 (RFC 9110 section 9.1)."""
        self.refused(request("get / HTTP/1.1", "Host: a"), 501)

    def test_3_2_no_whitespace_in_the_target(self):
        """Section 3.2."""
        self.refused(request("GET /a b HTTP/1.1", "Host: a"))

    def test_3_a_target_that_is_too_long(self):
        """Section 3: 414."""
        self.refused(request("GET /" + "a" * 9000 + " HTTP/1.1", "Host: a"), 414)

    def test_3_2_host_is_required(self):
        """Section 3.2: 400 without one in HTTP/1.1."""
        self.refused(request("GET / HTTP/1.1"))

    def test_3_2_one_host_only(self):
        """Section 3.2: 400 for more than one, in any version."""
        self.refused(request("GET / HTTP/1.1", "Host: a", "Host: a"))
        self.refused(request("GET / HTTP/1.0", "Host: a", "HOST: b"))

    def test_3_2_an_invalid_host(self):
        """Section 3.2: 400."""
        for value in "a b", "a/", "u@a", "a:x", "[", "a, b":
            self.refused(request("GET / HTTP/1.1", f"Host: {value}"))

    def test_3_2_2_absolute_form_is_accepted_and_overrides_host(self):
        """Section 3.2.2: the received Host is ignored, but still required."""
        seen = self.answered(request("GET http://b:8/p?q HTTP/1.1", "Host: a")).requests[0]
        self.assertEqual((seen.host, seen.path, seen.query), ("b:8", "/p", "q"))
        self.refused(request("GET http://b/ HTTP/1.1"))

    def test_3_2_3_authority_form_is_for_connect(self):
        """Section 3.2.3."""
        self.refused(request("GET a:80 HTTP/1.1", "Host: a"))

    def test_3_2_4_asterisk_form_is_for_options(self):
        """Section 3.2.4."""
        self.refused(request("GET * HTTP/1.1", "Host: a"))
        self.answered(request("OPTIONS * HTTP/1.1", "Host: a"))

    def test_4_the_space_behind_the_status_stands_even_without_a_reason(self):
        """Section 4."""
        self.assertTrue(answer(GET, lambda request: Response(299)).sent.startswith(b"HTTP/1.1 299 \r\n"))

    def test_5_1_whitespace_before_the_colon(self):
        """Section 5.1: 400."""
        for line in "X : y", "X\t: y", "Content-Length : 0":
            self.refused(request("GET / HTTP/1.1", "Host: a", line))

    def test_5_1_whitespace_around_the_value_is_excluded(self):
        """Section 5.1."""
        server = self.answered(request("GET / HTTP/1.1", "Host:\t a \t"))
        self.assertEqual(server.requests[0].headers.get("host"), "a")

    def test_5_2_folding_is_rejected_by_a_server(self):
        """Section 5.2: 400."""
        self.refused(request("GET / HTTP/1.1", "Host: a", "X: y", " z"))
        self.refused(request("GET / HTTP/1.1", "Host: a", "X: y", "\t"))

    def test_5_2_folding_is_a_space_to_a_user_agent(self):
        """Section 5.2."""
        events = events_of(ResponseParser(), [b"HTTP/1.1 200 OK\r\nX: y \r\n\t z\r\nContent-Length: 0\r\n\r\n"])
        self.assertIn(("X", "y z"), events[0][4])

    def test_5_2_a_sender_does_not_fold(self):
        """Section 5.2."""
        sent = answer(GET, lambda request: Response(200, (("A", "x" * 5000),))).sent
        self.assertIsNone(re.search(rb"\r\n[ \t]", sent))

    def test_6_1_chunked_is_understood(self):
        """Sections 6.1 and 7.1."""
        server = self.answered(CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        self.assertEqual(server.requests[0].body, b"hello world")

    def test_6_1_codings_are_case_insensitive(self):
        """Section 7."""
        self.answered(CHUNKED.replace(b"chunked", b"cHUNKed") + b"0\r\n\r\n")

    def test_6_1_an_unknown_coding(self):
        """Section 6.1 (SHOULD): 501."""
        self.refused(request("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked"), 501)

    def test_6_1_chunked_is_applied_once(self):
        """Section 6.1."""
        self.refused(request("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked, chunked"))

    def test_6_1_no_transfer_coding_to_http_1_0(self):
        """Section 6.1."""
        sent = answer(request("GET / HTTP/1.0"), lambda request: Response(200, (), Stream([b"x"]))).sent
        self.assertNotIn(b"Transfer-Encoding", sent)
        self.assertTrue(sent.endswith(b"\r\n\r\nx"))

    def test_6_1_no_transfer_coding_with_204(self):
        """Section 6.1."""
        self.assertNotIn(b"Transfer-Encoding", answer(GET, lambda request: Response(204, (), Stream([]))).sent)

    def test_6_1_transfer_coding_from_http_1_0_is_faulty(self):
        """Section 6.1."""
        self.refused(request("POST / HTTP/1.0", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"))

    def test_6_1_both_framings_close(self):
        """Section 6.1: after an answer to both, the connection closes; here the answer is 400."""
        for lines in (("Transfer-Encoding: chunked", "Content-Length: 3"),
                      ("Content-Length: 3", "Transfer-Encoding: chunked")):
            self.refused(request("POST / HTTP/1.1", "Host: a", *lines, body=b"0\r\n\r\n"))

    def test_6_2_never_both_framings_in_an_answer(self):
        """Section 6.2."""
        for headers in ((), (("Content-Length", "1"),)):
            sent = answer(GET, lambda request: Response(200, headers, Stream([b"x"]))).sent
            self.assertEqual((b"Content-Length" in sent) + (b"Transfer-Encoding" in sent), 1)

    def test_6_3_1_no_body_to_head_204_304(self):
        """Section 6.3 item 1."""
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
            sent = answer(request(f"{method} / HTTP/1.1", "Host: a"),
                          lambda request: Response(status, (), b"body")).sent
            self.assertTrue(sent.endswith(b"\r\n\r\n"))

    def test_6_3_4_chunked_is_not_last(self):
        """Section 6.3 item 4: 400 and close."""
        for value in "gzip", "chunked, gzip", "identity":
            self.refused(request("POST / HTTP/1.1", "Host: a", f"Transfer-Encoding: {value}"))

    def test_6_3_5_an_invalid_length(self):
        """Section 6.3 item 5: 400 and close."""
        for value in "+1", "-1", "1_0", "0x1", "1 1", "1, 2", "one", "":
            self.refused(request("POST / HTTP/1.1", "Host: a", f"Content-Length: {value}"))

    def test_6_2_huge_lengths_do_not_overflow(self):
        """Section 6.2: refused, never wrapped around."""
        self.refused(request("POST / HTTP/1.1", "Host: a", "Content-Length: 18446744073709551617"))
        self.refused(request("POST / HTTP/1.1", "Host: a", "Content-Length: 99999999999999999"), 413)

    def test_6_3_7_no_framing_is_no_body(self):
        """Section 6.3 item 7: what follows is the next request."""
        self.assertEqual(len(self.answered(request("POST / HTTP/1.1", "Host: a") + GET).requests), 2)

    def test_6_3_an_answer_that_ends_too_early_is_incomplete(self):
        """Sections 6.3 and 8: the user agent must see it."""
        for data in (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n"):
            self.assertEqual(events_of(ResponseParser(), [data], eof=True)[-1][0], "failure")

    def test_7_1_huge_chunk_sizes_do_not_overflow(self):
        """Section 7.1."""
        for size in b"10000000000000005", b"f" * 100, b"00000000000000000":
            server = answer(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n" + GET)
            self.assertEqual((server.statuses, server.requests), ([400], []))
        self.assertEqual(answer(CHUNKED + b"fffffffffffffff\r\n").statuses, [413])

    def test_7_1_1_unknown_extensions_are_ignored(self):
        """Section 7.1.1."""
        server = self.answered(CHUNKED + b'2;a=b;c="d" ; e\r\nok\r\n0;f\r\n\r\n')
        self.assertEqual(server.requests[0].body, b"ok")

    def test_7_1_2_trailers_are_not_merged_into_the_headers(self):
        """Section 7.1.2: only fields whose definition permits it; none here."""
        server = self.answered(CHUNKED + b"0\r\nContent-Length: 9\r\nHost: evil\r\nX: y\r\n\r\n" + GET)
        self.assertNotIn("x", server.requests[0].headers)
        self.assertEqual((server.requests[0].host, len(server.requests)), ("a", 2))

    def test_7_1_2_no_trailers_without_te(self):
        """RFC 9110 section 6.5.1."""
        for lines, expected in (((), False), (("TE: trailers",), True)):
            server = answer(request("GET / HTTP/1.1", "Host: a", *lines),
                            lambda request: Response(200, (), Stream([b"x"], (("Sum", "1"),))))
            self.assertIs(b"Sum: 1" in server.sent, expected)

    def test_8_an_incomplete_request_is_not_acted_upon(self):
        """Section 8: it may be answered with an error; the application never sees it."""
        for data in (GET[:-2], request("PUT / HTTP/1.1", "Host: a", "Content-Length: 5", body=b"hell"),
                     CHUNKED + b"1\r\nx\r\n"):
            server = answer(data)
            server.protocol.eof_received()
            self.assertEqual((server.requests, server.statuses, server.transport.closed), ([], [400], True))

    def test_9_3_persistence_is_the_default(self):
        """Section 9.3."""
        server = self.answered(GET + GET)
        self.assertFalse(server.transport.closed)

    def test_9_3_a_body_is_read_or_the_connection_closed(self):
        """Section 9.3: a body that is not read would be taken for the next request."""
        server = answer(request("POST / HTTP/1.1", "Host: a", f"Content-Length: {len(GET)}", body=GET),
                        limits=Limits(body=5))
        self.assertEqual((server.statuses, server.transport.closed), ([413], True))
        server = self.answered(request("POST / HTTP/1.1", "Host: a", f"Content-Length: {len(GET)}", body=GET))
        self.assertEqual(len(server.requests), 1)

    def test_9_3_2_pipelined_answers_keep_the_order(self):
        """Section 9.3.2."""
        data = b"".join(request(f"GET /{number} HTTP/1.1", "Host: a") for number in range(20))
        sent = self.answered(data, lambda request: Response(200, (), request.path.encode())).sent
        self.assertEqual(re.findall(rb"\r\n\r\n/(\d+)", sent), [b"%d" % number for number in range(20)])

    def test_9_6_close_is_obeyed(self):
        """Section 9.6: close behind the answer, say so, and process nothing that follows."""
        server = self.answered(request("GET / HTTP/1.1", "Host: a", "Connection: Foo , CLOSE") + GET)
        self.assertEqual((len(server.requests), server.transport.closed), (1, True))
        self.assertIn(b"\r\nConnection: close\r\n", server.sent)

    def test_9_6_every_closing_answer_says_so(self):
        """Section 9.6."""
        for data in request("GET / HTTP/1.0"), request("GET / HTTP/1.1"), b"?\r\n":
            self.assertIn(b"\r\nConnection: close\r\n", answer(data).sent)


class Rfc9110(Rfc):

    def test_5_3_repeated_fields_are_one_list_in_order(self):
        """Section 5.3."""
        server = self.answered(request("GET / HTTP/1.1", "Host: a", "X: 1", "Y: 0", "x: 2"))
        self.assertEqual(server.requests[0].headers.get("X"), "1, 2")

    def test_5_5_cr_lf_nul_in_a_value(self):
        """Section 5.5: rejected; and never generated."""
        self.refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n")
        for value in "a\rb", "a\nb", "a\0b", "a\r\nb: c":
            with self.assertLogs("protocols.http"):
                self.assertEqual(answer(GET, lambda request: Response(200, (("X", value),))).statuses, [500])

    def test_5_6_7_dates_are_imf_fixdates_in_gmt(self):
        """Section 5.6.7."""
        self.assertIn(b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", answer(GET).sent)

    def test_6_6_1_a_date_in_every_final_answer(self):
        """Section 6.6.1: in all of 2xx, 3xx and 4xx."""
        for status in 200, 204, 206, 301, 304, 404, 416:
            self.assertIn(b"\r\nDate: ", answer(GET, lambda request: Response(status)).sent)
        self.assertIn(b"\r\nDate: ", answer(b"?\r\n").sent)

    def test_7_8_upgrade_is_ignored(self):
        """Section 7.8: nothing but what the client offered, and never needed."""
        server = self.answered(request("GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket") + GET)
        self.assertNotIn(b"Upgrade", server.sent)
        self.assertEqual(len(server.requests), 2)

    def test_8_6_content_length_of_head_is_that_of_get(self):
        """Sections 8.6 and 9.3.2."""
        get = answer(GET).sent
        head = answer(request("HEAD / HTTP/1.1", "Host: a")).sent
        self.assertEqual(head, get[:-len(b"ok")])

    def test_8_6_no_content_length_with_204_and_1xx(self):
        """Section 8.6."""
        self.assertNotIn(b"Content-Length", answer(GET, lambda request: Response(204)).sent)
        self.assertEqual(answer(request("PUT / HTTP/1.1", "Host: a", "Expect: 100-continue", "Content-Length: 1")).sent,
                         b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_8_6_no_wrong_content_length_with_304(self):
        """Section 8.6: only that of the 200 that it stands for; so none."""
        self.assertNotIn(b"Content-Length", answer(GET, lambda request: Response(304)).sent)

    def test_9_3_2_no_content_to_head(self):
        """Section 9.3.2, errors included."""
        for lines in ("HEAD / HTTP/1.1", "Host: a"), ("HEAD / HTTP/1.1",), ("HEAD / HTTP/2.0",):
            self.assertTrue(answer(request(*lines)).sent.endswith(b"\r\n\r\n"))

    def test_9_3_6_connect_makes_no_tunnel(self):
        """Section 9.3.6: an application's 200 would begin one."""
        self.refused(request("CONNECT a:80 HTTP/1.1", "Host: a:80"), 501)

    def test_10_1_1_continue_before_the_body(self):
        """Section 10.1.1: 100 or a final status at once; a final status in the end."""
        server = answer(request("PUT / HTTP/1.1", "Host: a", "Expect: 100-continue", "Content-Length: 1"))
        self.assertTrue(server.sent.startswith(b"HTTP/1.1 100 "))
        self.assertEqual(server.receive(b"x").statuses, [200])

    def test_10_1_1_no_continue_to_http_1_0(self):
        """Sections 10.1.1 and 15.2: the expectation is ignored, and no 1xx is sent."""
        server = answer(request("PUT / HTTP/1.0", "Expect: 100-continue", "Content-Length: 1"))
        self.assertEqual(server.sent, b"")
        self.assertEqual(server.receive(b"x").statuses, [200])

    def test_10_1_1_no_continue_without_a_body(self):
        """Section 10.1.1."""
        self.assertNotIn(b" 100 ", self.answered(request("GET / HTTP/1.1", "Host: a", "Expect: 100-continue")).sent)

    def test_10_1_1_another_expectation(self):
        """Section 10.1.1: 417."""
        self.refused(request("GET / HTTP/1.1", "Host: a", "Expect: 200-ok"), 417)

    def test_15_2_a_client_bears_1xx_before_the_answer(self):
        """Section 15.2."""
        parser = ResponseParser()
        parser.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 X\r\nA: b\r\n\r\n")
        parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual([getattr(event, "status", None) for event in drain(parser)], [200, None])

    def test_15_2_an_application_cannot_send_1xx(self):
        """Section 15.2: an interim answer is not the answer."""
        with self.assertLogs("protocols.http"):
            self.assertEqual(answer(GET, lambda request: Response(101)).statuses, [500])


if __name__ == "__main__":
    unittest.main()
