"""The static application: what it answers, without a server around it."""
import errno
import os
import random
import socket
import stat
import time
import unittest
from email.message import Message
from email.parser import BytesParser
from unittest import mock

from protocols.http import files
from protocols.http.conditions import parse_date
from protocols.http.files import FileApplication
from protocols.http.message import FileSlice, Stream
from protocols.http.representation import READ_AT_ONCE, content_type
from tests.protocols.http.site import SiteCase, body_of, request

POSIX = os.name == "posix"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


class Answers(SiteCase):
    def test_a_file_comes_with_what_describes_it(self):
        """RFC 9110 sections 8.3, 8.8.2, 8.8.3 and 14.3."""
        path = self.write("a.txt", b"hello")
        os.utime(path, (784111777, 784111777))
        status, headers, body = self.get("/a.txt")
        self.assertEqual((status, body), (200, b"hello"))
        self.assertEqual(headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(headers["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT")
        self.assertEqual(headers["accept-ranges"], "bytes")
        self.assertRegex(headers["etag"], r'\A"[0-9a-f-]+"\Z')

    def test_a_file_from_the_future_was_modified_now(self):
        """Section 8.8.2.1: MUST NOT generate a Last-Modified later than the time of the message."""
        now = 1_700_000_000
        self.application = self.serve(clock=lambda: now)
        os.utime(self.write("a"), (now + 1000, now + 1000))
        self.assertEqual(parse_date(self.get("/a")[1]["last-modified"], now), now)

    def test_a_file_from_before_1970_does_no_harm(self):
        os.utime(self.write("a"), (-1000, -1000))
        self.assertEqual(self.get("/a")[1]["last-modified"], "Thu, 01 Jan 1970 00:00:00 GMT")

    def test_the_tag_changes_with_the_content(self):
        """Section 8.8.1: a strong validator MUST change whenever the content does."""
        path = self.write("a", b"1")
        first = self.get("/a")[1]["etag"]
        os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1))
        second = self.get("/a")[1]["etag"]
        self.write("a", b"22")
        self.assertEqual(len({first, second, self.get("/a")[1]["etag"]}), 3)

    def test_a_large_file_is_a_slice_and_a_small_one_is_bytes(self):
        self.write("small", b"x" * READ_AT_ONCE)
        self.write("large", b"x" * (READ_AT_ONCE + 1))
        self.assertIsInstance(self.application(request("/small")).body, bytes)
        large = self.application(request("/large"))
        self.assertIsInstance(large.body, FileSlice)
        self.assertEqual(len(body_of(large)), READ_AT_ONCE + 1)

    def test_an_empty_file(self):
        self.write("empty", b"")
        self.assertEqual(self.get("/empty")[::2], (200, b""))

    def test_head_has_the_fields_of_get(self):
        """Section 9.3.2."""
        self.write("a.html", b"<p>")
        for target in ("/a.html", "/", "/missing"):
            self.assertEqual(self.get(target, "HEAD"), self.get(target))

    def test_a_missing_file_is_404(self):
        """Section 15.5.5."""
        for target in ("/missing", "/missing/", "/missing/a", "/" + "x" * 5000, "/" + "x/" * 2000):
            self.assertEqual(self.status(target), 404, target[:20])

    def test_a_file_is_no_folder(self):
        self.write("a.txt")
        self.assertEqual(self.status("/a.txt/"), 404)
        self.assertEqual(self.status("/a.txt/b"), 404)

    def test_another_method_is_405_with_allow(self):
        """Section 15.5.6: MUST generate an Allow field."""
        self.write("a")
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"):
            for target in ("/a", "/", "/missing"):
                status, headers, _ = self.get(target, method)
                self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))

    def test_an_unknown_method_is_501_and_case_counts(self):
        """Sections 9.1 and 15.6.2."""
        for method in ("get", "BREW", "Head"):
            self.assertEqual(self.status("/", method), 501)

    def test_nothing_of_a_request_comes_back(self):
        for target in ("/<script>alert(1)</script>", "/%3Cscript%3E", "/\xff<b>", "/?<script>", "/a\"'onload=x"):
            for method in ("GET", "POST", "<script>"):
                body = self.get(target, method)[2].lower()
                self.assertNotIn(b"script>", body)
                self.assertNotIn(b"onload", body)

    def test_errors_are_plain_text(self):
        for target in ("/missing", "/../x"):
            self.assertTrue(self.get(target)[1]["content-type"].startswith("text/plain"))

    @unittest.skipIf(ROOT or not POSIX, "permissions bind neither root nor Windows")
    def test_an_unreadable_file_or_folder_is_403(self):
        os.chmod(self.write("a"), 0)
        os.mkdir(os.path.join(self.site, "b"), 0)
        self.addCleanup(os.chmod, os.path.join(self.site, "b"), 0o700)
        self.assertEqual((self.status("/a"), self.status("/b/")), (403, 403))

    def test_errors_of_the_system_have_their_status(self):
        """Sections 15.5.4, 15.6.1 and 15.6.4; edge case 63: out of descriptors costs this request only."""
        self.write("a")
        for number, status in ((errno.EACCES, 403), (errno.EMFILE, 503), (errno.EIO, 500), (errno.ENOENT, 404)):
            with mock.patch.object(files, "open", side_effect=OSError(number, "?"), create=True):
                self.assertEqual(self.status("/a"), status)

    def test_a_folder_that_is_none_is_refused_at_once(self):
        for name in ("missing", self.write("a")):
            with self.assertRaises(OSError):
                FileApplication(os.path.join(self.site, name))


class Types(unittest.TestCase):
    def test_by_extension_whatever_the_machine_says(self):
        for name, kind in (("a.html", "text/html; charset=utf-8"), ("a.css", "text/css; charset=utf-8"),
                           ("a.js", "text/javascript; charset=utf-8"), ("a.JPG", "image/jpeg"), ("a.png", "image/png"),
                           ("a.svg", "image/svg+xml"), ("a.json", "application/json"), ("a.mp4", "video/mp4"),
                           ("a.wasm", "application/wasm"), ("README", "application/octet-stream"),
                           ("a.tar.gz", "application/gzip"), ("a.unknown", "application/octet-stream"),
                           ("x.html/README", "application/octet-stream"), (".html", "application/octet-stream")):
            self.assertEqual(content_type(name), kind, name)

    def test_a_name_that_looks_like_a_data_url_is_a_name(self):
        self.assertEqual(content_type("/site/data:text/html,x"), "application/octet-stream")
        self.assertEqual(content_type("data:text;x,html"), "application/octet-stream")


class Folders(SiteCase):
    def test_without_its_slash_it_is_301_and_the_query_stays(self):
        """RFC 9110 section 15.4.2."""
        os.makedirs(os.path.join(self.site, "a b", "c"))
        for target, location in (("/a%20b", "/a%20b/"), ("/a%20b?x=1&y=%20", "/a%20b/?x=1&y=%20"),
                                 ("/a%20b/c", "/a%20b/c/"), ("/a%20b/.", None), ("/a%20b?", "/a%20b/")):
            status, headers, _ = self.get(target)
            self.assertEqual((status, headers["location"]), (301, location or "/a%20b/"))

    def test_a_redirect_never_leaves_the_site(self):
        for name in ("evil.example", "\\evil.example", "http:", "javascript:alert(1)", "@evil", "a\r\nX: y", "\t"):
            os.mkdir(os.path.join(self.site, name))
        for target in ("//evil.example", "///evil.example", "/.//evil.example", "/%5Cevil.example", "/\\evil.example",
                       "/%2e/evil.example", "//http:", "/http:", "/javascript:alert(1)", "//@evil", "/a%0D%0AX:%20y",
                       "/%09", "//%09", "/./evil.example?//x\xe9\"<>"):
            status, headers, _ = self.get(target)
            self.assertEqual(status, 301, target)
            self.assertRegex(headers["location"], r"\A/[A-Za-z0-9%][^\\\s\"<>]*\Z", target)

    def test_index_html_is_the_folder(self):
        self.write("index.html", b"start")
        self.write("sub/index.html", b"below")
        self.assertEqual(self.get("/")[::2], (200, b"start"))
        self.assertEqual(self.get("/sub/")[::2], (200, b"below"))
        self.assertEqual(self.get("/")[1]["content-type"], "text/html; charset=utf-8")

    def test_an_index_that_cannot_be_sent_does_not_uncover_the_folder(self):
        os.mkdir(os.path.join(self.site, "index.html"))
        self.assertEqual(self.status("/"), 403)

    def test_a_listing_shows_what_can_be_asked_for(self):
        self.write("b.txt", b"x" * 1536)
        self.write("folder/x")
        status, headers, body = self.get("/?C=M;O=A")
        self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(b'href="./b.txt"', body)
        self.assertIn(b"1.5 KiB", body)
        self.assertLess(body.index(b'href="./folder/"'), body.index(b'href="./b.txt"'))

    def test_a_long_listing_says_that_it_is_not_whole(self):
        for number in range(6):
            self.write(f"file{number}")
        with mock.patch.object(files, "MAX_ENTRIES", 5):
            body = self.get("/")[2]
        self.assertEqual(body.count(b'href="./file'), 5)
        self.assertIn(b"There is more here than the 5 entries shown", body)

    def test_headers_of_our_own_are_on_every_answer_and_win(self):
        self.write("a.txt")
        self.application = self.serve(headers=(("Access-Control-Allow-Origin", "*"), ("content-type", "text/x")))
        for target in ("/a.txt", "/", "/missing", "/a.txt"):
            headers = self.get(target)[1]
            self.assertEqual((headers["access-control-allow-origin"], headers["content-type"]), ("*", "text/x"))
        self.assertEqual(self.get("/a.txt", range="bytes=0-1")[1]["content-type"], "text/x")


class Conditions(SiteCase):
    def setUp(self):
        super().setUp()
        self.write("a.txt", b"0123456789")
        self.etag = self.get("/a.txt")[1]["etag"]
        self.date = self.get("/a.txt")[1]["last-modified"]

    def test_304_has_the_tag_and_no_body(self):
        """RFC 9110 section 15.4.5: MUST generate ETag; SHOULD NOT repeat what describes the file."""
        for method in ("GET", "HEAD"):
            for fields in ({"if_none_match": self.etag}, {"if_modified_since": self.date}):
                self.assertEqual(self.get("/a.txt", method, **fields), (304, {"etag": self.etag}, b""))

    def test_412(self):
        """Section 15.5.13."""
        self.assertEqual(self.status("/a.txt", if_match='"x"'), 412)
        self.assertEqual(self.status("/a.txt", if_unmodified_since="Sun, 06 Nov 1994 08:49:37 GMT"), 412)

    def test_conditions_come_after_what_would_fail_anyway(self):
        """Section 13.2.1: MUST ignore preconditions where the answer without them is neither 2xx nor 412."""
        os.mkdir(os.path.join(self.site, "sub"))
        for fields in ({"if_none_match": "*"}, {"if_match": '"x"'}):
            self.assertEqual(self.status("/missing", **fields), 404)
            self.assertEqual(self.status("/sub", **fields), 301)
            self.assertEqual(self.status("/a.txt", "POST", **fields), 405)

    def test_conditions_come_before_ranges(self):
        """Section 13.2.2."""
        self.assertEqual(self.status("/a.txt", range="bytes=0-1", if_none_match=self.etag), 304)
        self.assertEqual(self.status("/a.txt", range="bytes=99-", if_match='"x"'), 412)

    def test_a_listing_has_a_tag_but_no_date(self):
        """Sections 13.1.1 to 13.1.4: MUST ignore the dates where there is no modification date."""
        status, headers, _ = self.get("/")
        self.assertNotIn("last-modified", headers)
        self.assertEqual(self.get("/", if_none_match=headers["etag"]), (304, {"etag": headers["etag"]}, b""))
        self.assertEqual(self.status("/", if_match='"x"'), 412)
        self.assertEqual(self.status("/", if_match=headers["etag"]), 200)
        self.assertEqual(self.status("/", if_modified_since="Fri, 31 Dec 9999 23:59:59 GMT"), 200)
        self.assertEqual(self.status("/", if_unmodified_since="Sun, 06 Nov 1994 08:49:37 GMT"), 200)
        self.write("new")
        self.assertEqual(self.status("/", if_none_match=headers["etag"]), 200)

    def test_a_kept_file_is_judged_like_any_other(self):
        self.assertEqual(self.status("/a.txt"), 200)
        self.assertEqual(self.status("/a.txt", if_none_match=self.etag), 304)
        self.assertEqual(self.status("/a.txt", range="bytes=0-1"), 206)
        self.assertEqual(self.status("/a.txt", if_match='"x"'), 412)
        self.assertEqual(self.status("/a.txt", "POST"), 405)


class Ranges(SiteCase):
    def setUp(self):
        super().setUp()
        self.content = bytes(range(256)) * 1024
        self.write("a.bin", self.content)

    def test_one_range(self):
        """RFC 9110 section 15.3.7.1: MUST generate Content-Range; the fields of a 200 stay."""
        whole = self.get("/a.bin")[1]
        self.assertNotIn("content-range", whole)  # section 14.4: it says nothing in a 200
        status, headers, body = self.get("/a.bin", range="bytes=10-19")
        self.assertEqual((status, body), (206, self.content[10:20]))
        self.assertEqual(headers.pop("content-range"), f"bytes 10-19/{len(self.content)}")
        self.assertEqual(headers, whole)

    def test_several_ranges(self):
        """Section 15.3.7.2: each part MUST have its Content-Range, the head MUST NOT have one."""
        status, headers, body = self.get("/a.bin", range="bytes=300-309,-5,0-0")
        self.assertEqual(status, 206)
        self.assertNotIn("content-range", headers)
        self.assertEqual(int(headers["content-length"]), len(body))
        head = b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n"
        mail = BytesParser(Message).parsebytes(head + body)
        size = len(self.content)
        self.assertEqual([(part["content-range"], part["content-type"]) for part in mail.get_payload()],
                         [(f"bytes {where}/{size}", "application/octet-stream")
                          for where in ("300-309", f"{size - 5}-{size - 1}", "0-0")])
        self.assertEqual(mail.get_content_type(), "multipart/byteranges")

    def test_the_parts_are_the_bytes(self):
        _, headers, body = self.get("/a.bin", range="bytes=5-204,1000-250000")
        pieces = body.split(b"\r\n--" + headers["content-type"].partition("boundary=")[2].encode())
        self.assertEqual([piece.partition(b"\r\n\r\n")[2] for piece in pieces],
                         [b"", self.content[5:205], self.content[1000:250001], b""])
        self.assertEqual(pieces[-1], b"--\r\n")

    def test_several_that_come_to_one_are_no_multipart(self):
        """Section 15.3.7.2: MUST NOT generate multipart for a single range; we never do."""
        for field in ("bytes=0-5,3-9", "bytes=0-9,9999999-"):
            status, headers, body = self.get("/a.bin", range=field)
            self.assertEqual((status, body), (206, self.content[:10]))
            self.assertTrue(headers["content-range"].startswith("bytes 0-9/"))

    def test_416_tells_the_length(self):
        """Section 15.5.17."""
        status, headers, _ = self.get("/a.bin", range="bytes=9999999-")
        self.assertEqual((status, headers["content-range"]), (416, f"bytes */{len(self.content)}"))

    def test_ranges_are_for_get_only(self):
        """Section 14.2: MUST ignore a Range with another method."""
        self.assertEqual(self.status("/a.bin", "HEAD", range="bytes=0-1"), 200)
        self.assertEqual(self.status("/a.bin", "HEAD", range="bytes=9999999-"), 200)

    def test_if_range(self):
        """Section 13.1.5: the part if nothing changed, else everything; without Range it says nothing."""
        etag = self.get("/a.bin")[1]["etag"]
        self.assertEqual(self.status("/a.bin", range="bytes=0-1", if_range=etag), 206)
        self.assertEqual(self.status("/a.bin", range="bytes=0-1", if_range='"old"'), 200)
        self.assertEqual(self.status("/a.bin", range="bytes=9999999-", if_range='"old"'), 200)
        self.assertEqual(self.status("/a.bin", if_range='"old"'), 200)

    def test_a_range_of_a_small_or_empty_file(self):
        self.write("small", b"0123456789")
        self.write("empty", b"")
        self.assertEqual(self.get("/small", range="bytes=-3")[2], b"789")
        self.assertEqual(self.status("/empty", range="bytes=0-"), 416)
        self.assertEqual(self.status("/empty", range="bytes=-1"), 200)

    def test_a_listing_has_no_ranges(self):
        self.assertEqual(self.status("/", range="bytes=0-1"), 200)

    def test_an_unread_multipart_body_leaves_no_file_open(self):
        response = self.application(request("/a.bin", range="bytes=0-1,5-6"))
        self.assertIsInstance(response.body, Stream)
        file = response.body.pieces._file
        response.close()
        response.close()
        self.assertTrue(file.closed)

    def test_a_file_that_shrinks_ends_a_multipart_body_with_an_error(self):
        response = self.application(request("/a.bin", range="bytes=0-1,200000-200010"))
        self.addCleanup(response.close)
        os.truncate(os.path.join(self.site, "a.bin"), 100)
        with self.assertRaises(OSError):
            b"".join(response.body.pieces)


class Fuzz(SiteCase):
    def test_no_header_brings_it_down(self):
        """Seeded: whatever stands in the fields that decide, there is a plain answer."""
        self.write("a.txt", b"0123456789")
        etag = self.get("/a.txt")[1]["etag"]
        atoms = ["bytes", "=", "-", ",", "0", "5", "9" * 30, " ", "\t", '"', "W/", "*", etag, "GMT",
                 "Sun, 06 Nov 1994 08:49:37", "\xff", "/", ";", "2-1", "Sunday, 06-Nov-94", "٣", "\\", "'", "<script>"]
        names = ("if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "if_range", "range")
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        for _ in range(1500):
            fields = {name: "".join(rng.choices(atoms, k=rng.randrange(1, 8))) for name in rng.sample(names, 3)}
            status, _, body = self.get("/a.txt", rng.choice(("GET", "HEAD")), **fields)
            self.assertIn(status, (200, 206, 304, 412, 416), f"seed {seed}: {fields}")
            self.assertNotIn(b"script", body, f"seed {seed}: {fields}")


class Kept(SiteCase):
    def stats(self, target):
        with mock.patch.object(files, "open", side_effect=AssertionError("opened"), create=True):
            return self.get(target)

    def test_a_small_file_is_read_once(self):
        self.write("a.txt", b"one")
        self.assertEqual(self.get("/a.txt"), self.stats("/a.txt"))

    def test_it_is_one_object_as_long_as_nothing_changes(self):
        self.write("a.txt", b"one")
        self.application(request("/a.txt"))
        self.assertIs(self.application(request("/a.txt")), self.application(request("/a.txt", "HEAD")))

    def test_a_change_is_seen_at_once(self):
        path = self.write("a.txt", b"one")
        self.get("/a.txt")
        self.write("a.txt", b"two!")
        self.assertEqual(self.get("/a.txt")[2], b"two!")
        os.utime(path, (1, 1))
        self.assertEqual(self.get("/a.txt")[1]["last-modified"], "Thu, 01 Jan 1970 00:00:01 GMT")
        os.remove(path)
        self.assertEqual(self.status("/a.txt"), 404)
        os.mkdir(path)
        self.assertEqual(self.status("/a.txt"), 301)

    def test_a_new_file_of_the_same_size_and_time_is_seen(self):
        os.utime(self.write("a.txt", b"one"), (1000, 1000))
        self.get("/a.txt")
        os.utime(self.write("b.txt", b"two"), (1000, 1000))
        os.replace(os.path.join(self.site, "b.txt"), os.path.join(self.site, "a.txt"))
        self.assertEqual(self.get("/a.txt")[2], b"two")

    def test_of_a_larger_file_the_fields_are_kept_and_not_the_bytes(self):
        content = self.large(b"a")
        first = self.get("/big")
        with mock.patch.object(files, "represent", side_effect=AssertionError("made anew")):
            self.assertEqual((first, first), (self.get("/big"), self.get("/big")))
        self.assertEqual((content, files.ENTRY_BYTES), (first[2], self.application._kept_bytes))

    def test_a_change_of_a_larger_file_is_seen_at_once(self):
        self.large(b"a")
        etag = self.get("/big")[1]["etag"]
        changed = self.large(b"b", when=2000)
        status, headers, body = self.get("/big")
        self.assertEqual((200, changed), (status, body))
        self.assertNotEqual(etag, headers["etag"])

    def test_a_larger_file_that_is_replaced_before_it_is_opened_is_not_sent_under_the_old_tag(self):
        self.large(b"a")
        before, real = os.stat(os.path.join(self.site, "big")), os.stat
        etag = self.get("/big")[1]["etag"]
        changed = self.large(b"b", when=2000)
        looks = iter([before])
        with mock.patch.object(files.os, "stat", lambda name: next(looks, None) or real(name)):
            status, headers, body = self.get("/big")
        self.assertEqual((200, changed), (status, body))
        self.assertNotEqual(etag, headers["etag"])

    @unittest.skipUnless(POSIX, "links")
    def test_a_larger_file_behind_a_link_is_followed_each_time(self):
        content = self.large(b"a")
        os.symlink("big", os.path.join(self.site, "link"))
        for _ in range(3):
            self.assertEqual(content, self.get("/link")[2])

    def large(self, byte, when=1000):
        content = byte * (READ_AT_ONCE + 1)
        os.utime(self.write("big", content), (when, when))
        return content

    def test_a_young_file_is_not_kept(self):
        """Its time could stay the same through one more change."""
        self.application = self.serve(clock=time.time)
        self.write("a.txt", b"one")
        self.assertIsNot(self.application(request("/a.txt")), self.application(request("/a.txt")))

    def test_what_is_kept_is_bounded(self):
        with mock.patch.object(files, "KEEP_BYTES", 40_000):
            for number in range(30):
                self.write(f"{number}", b"x" * 3000)
                self.get(f"/{number}")
            self.write("0", b"")
            for slashes in range(1, 60):
                self.get("/" * slashes + "0")
            self.assertLessEqual(self.application._kept_bytes, 40_000)
            self.assertEqual(self.application._kept_bytes, sum(k.cost for k in self.application._kept.values()))
            self.assertGreater(len(self.application._kept), 3)

    @unittest.skipUnless(POSIX, "links")
    def test_a_link_that_turns_outward_is_seen(self):
        self.write("a.txt", b"one")
        link = os.path.join(self.site, "link")
        os.symlink("a.txt", link)
        self.assertEqual(self.get("/link")[2], b"one")
        os.remove(link)
        os.symlink("../secret.txt", link)
        self.assertEqual(self.status("/link"), 404)


@unittest.skipUnless(POSIX, "special files and links are POSIX's")
class SpecialFiles(SiteCase):
    def test_a_fifo_blocks_nobody(self):
        os.mkfifo(os.path.join(self.site, "pipe"))
        self.assertEqual(self.status("/pipe"), 403)
        self.assertNotIn(b"pipe", self.get("/")[2])

    def test_a_fifo_that_takes_the_place_of_a_file_blocks_nobody(self):
        """The type is read before open(); what is opened is looked at again."""
        path = os.path.join(self.site, "pipe")
        regular = os.stat(self.write("a"))
        os.mkfifo(path)
        real = os.stat
        with mock.patch.object(files.os, "stat", lambda name: regular if name == path else real(name)):
            self.assertEqual(self.status("/pipe"), 403)

    def test_a_device_is_refused(self):
        os.symlink("/dev/zero", os.path.join(self.site, "zero"))
        self.assertEqual(self.status("/zero"), 404)
        application = FileApplication("/dev")
        self.assertEqual(application(request("/zero")).status, 403)

    def test_a_socket_is_refused(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.site, "sock"))
            self.assertTrue(stat.S_ISSOCK(os.stat(os.path.join(self.site, "sock")).st_mode))
            self.assertEqual(self.status("/sock"), 403)

    def test_a_link_has_the_type_that_its_own_name_says(self):
        os.symlink(self.write("v1"), os.path.join(self.site, "latest.html"))
        self.assertEqual(self.get("/latest.html")[1]["content-type"], "text/html; charset=utf-8")

    def test_a_link_inside_is_followed(self):
        self.write("a/b.txt", b"here")
        os.symlink("a", os.path.join(self.site, "c"))
        os.symlink(os.path.join(self.site, "a", "b.txt"), os.path.join(self.site, "d"))
        self.assertEqual((self.get("/c/b.txt")[2], self.get("/d")[2]), (b"here", b"here"))

    def test_a_link_outward_is_not_there(self):
        os.symlink("../secret.txt", os.path.join(self.site, "a"))
        os.symlink("..", os.path.join(self.site, "b"))
        os.symlink("/", os.path.join(self.site, "c"))
        os.symlink("c/etc/passwd", os.path.join(self.site, "d"))
        os.mkdir(self.site + "-beside")
        os.symlink(self.site + "-beside", os.path.join(self.site, "e"))
        os.symlink("../../secret.txt", os.path.join(self.site, "index.html"))
        for target in ("/a", "/b", "/b/", "/b/secret.txt", "/c/etc/passwd", "/d", "/e", "/e/", "/"):
            self.assertEqual(self.status(target), 404, target)

    def test_links_outward_broken_and_in_circles_are_not_listed(self):
        for name, target in (("out", ".."), ("broken", "nothing"), ("circle", "circle")):
            os.symlink(target, os.path.join(self.site, name))
            self.assertEqual(self.status("/" + name), 404)
        self.assertIn(b"This folder is empty", self.get("/")[2])

    def test_the_folder_served_may_itself_be_a_link(self):
        self.write("a.txt", b"here")
        os.symlink(self.site, self.site + "-link")
        application = FileApplication(self.site + "-link")
        self.assertEqual(application(request("/a.txt")).body, b"here")


if __name__ == "__main__":
    unittest.main()
