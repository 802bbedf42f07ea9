"""No URL leads out of the folder: the corpus of what was tried, and a fuzzer that goes on trying."""
import os
import random
import unittest
from urllib.parse import unquote_to_bytes

from protocols.http.paths import folder_url, is_within, quote_name, quote_query, split_path
from tests.protocols.http.site import SiteCase, request

UP = ("..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "%uff0e%uff0e", "..%00", "..%0d", "...", "....",
      "%2e%2e%2f", "..%2f", "..%5c", "..\\", "..%255c", "..%c0%af", "..%c1%9c", "..;", "..%20", ".. ", "..%09", "..%3f",
      "\u002e\u002e", "%ef%bc%8e%ef%bc%8e", "..%u2215", "..%e2%88%95", "%%32%65%%32%65", "..%252f", "..%%35%63")
CORPUS = [step + "/" + name for step in UP for name in ("secret.txt", "%73ecret.txt", "secret.txt%00.html", "")]
CORPUS += [f"a/{path}" for path in CORPUS] + [f"./{path}" for path in CORPUS] + ["/" + path for path in CORPUS]
CORPUS += ["/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd", "C:/Windows/win.ini",
           "C:%5cboot.ini", "c:secret.txt", "%5c%5chost%5cshare", "~root/.profile", "secret.txt",
           "a/../../secret.txt", "\\..\\secret.txt", "/%00", "%00", "a%00", "a/../a", "%", "%2", "%zz", "%-1",
           "%u0041", "\xff", "%ff", "%f0%9f%98%80", "?", "*", "a//b", "a/./b", "proc/self/environ", "%2e", "%2e/",
           ".", "./", "", "a/%2e", "+", ";", "a;b", "#", "con", "aux.txt", "a.txt::$DATA", "A~1",
           "%2F%2E%2E%2Fsecret.txt", "%5C..%5Csecret.txt", "..../secret.txt"]


class Traversal(SiteCase):
    def setUp(self):
        super().setUp()
        self.write("a/inside.txt", b"inside")
        self.write("../site-beside/secret.txt", b"secret")

    def check(self, target, message=""):
        status, headers, body = self.get(target)
        self.assertNotIn(b"secret", body, message or target)
        self.assertNotIn(b"root:", body, message or target)
        self.assertIn(status, (200, 301, 404), message or target)
        self.assertNotRegex(headers.get("location", "/"), r"\A(//|[^/])", message or target)

    def test_nothing_of_the_corpus_leaves_the_folder(self):
        for path in CORPUS:
            self.check("/" + path)

    def test_nothing_of_the_corpus_leaves_the_folder_when_it_is_the_whole_target(self):
        for path in CORPUS:
            if not path.startswith("/"):
                self.assertEqual(self.status(path), 404, path)

    def test_random_paths_never_leave_it(self):
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        atoms = [".", "..", "/", "//", "\\", "%2e", "%2f", "%5c", "%00", "%25", "a", "inside.txt", "secret.txt",
                 "site-beside", "site", "%c0", "%ff", "%", ";", ":", "~", " ", "\xe9", "?", "*", "%0a"]
        for _ in range(2000):
            target = "/" + "".join(rng.choice(atoms) for _ in range(rng.randrange(1, 9)))
            self.check(target, f"seed {seed}: {target!r}")

    def test_a_name_that_is_encoded_twice_is_another_name(self):
        self.write("100%25", b"twice")
        self.write("100%", b"once")
        self.assertEqual(self.get("/100%25")[2], b"once")
        self.assertEqual(self.get("/100%2525")[2], b"twice")

    def test_any_byte_in_a_request_target_has_an_answer(self):
        for number in range(256):
            for target in ("/" + chr(number), "/%{:02x}".format(number), "/a" + chr(number) + "b", "/?" + chr(number)):
                self.assertIn(self.application(request(target)).status, (200, 301, 404), repr(target))


class Splitting(unittest.TestCase):
    def test_names(self):
        self.assertEqual(split_path("/"), [])
        self.assertEqual(split_path("/a/b%20c/"), ["a", "b c"])
        self.assertEqual(split_path("//a/./b//"), ["a", "b"])
        self.assertEqual(split_path("/%e2%82%ac"), ["€"])
        self.assertEqual(split_path("/\xe2\x82\xac"), ["€"])
        self.assertEqual(split_path("/a+b"), ["a+b"])

    def test_refused_everywhere(self):
        for path in ("", "a", "*", "/..", "/a/../b", "/%2e%2e/", "/a%2fb", "/%2f", "/a%00", "/%", "/%4", "/%g1", "/€"):
            for windows in (False, True):
                self.assertIsNone(split_path(path, windows), path)

    def test_refused_on_windows(self):
        """Separators, drives, streams, devices, and what Windows drops from the end of a name."""
        for name in ("a%5cb", "%5c", "c:", "c:x", "a.txt::$DATA", "a:b", "con", "CON", "nul.txt", "Aux.tar.gz", "com1",
                     "lpt9",
                     "com%C2%B9", "con .txt", "conout$", "a.", "a%20", "...", "a*", "a?", "a%22", "a%7cb", "a%0ab"):
            if "?" not in name:
                self.assertIsNone(split_path("/" + name, True), name)

    def test_allowed_on_windows(self):
        for name in ("console", "com", "com10", "a.con", "com1x", ".git", "a b", "nullable.txt", "A~1"):
            self.assertIsNotNone(split_path("/" + name.replace(" ", "%20"), True), name)

    def test_any_name_survives_its_url(self):
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        for _ in range(2000):
            raw = bytes(rng.choice(b"a./\\%\"'<>&\n\xff\x80\xc3\xa9 :;#?") for _ in range(rng.randrange(1, 12)))
            raw = raw.replace(b"/", b"")
            if raw in (b"", b".", b".."):
                continue
            name = os.fsdecode(raw)
            url = quote_name(name)
            self.assertRegex(url, r"\A[A-Za-z0-9%._~-]+\Z", f"seed {seed}")
            self.assertEqual(unquote_to_bytes(url), raw, f"seed {seed}")
            self.assertEqual(split_path("/" + url, False), [name], f"seed {seed}")

    def test_the_url_of_a_folder_begins_with_one_slash(self):
        self.assertEqual(folder_url([]), "/")
        self.assertEqual(folder_url(["a b", "c"]), "/a%20b/c/")
        self.assertEqual(folder_url(["\\x"]), "/%5Cx/")

    def test_a_query_keeps_its_meaning_and_loses_what_no_url_has(self):
        self.assertEqual(quote_query("a=1&b=%20/?:@"), "a=1&b=%20/?:@")
        self.assertEqual(quote_query("\"<>\\\xe9 \r\n"), "%22%3C%3E%5C%E9%20%0D%0A")

    def test_within_means_below_and_not_beside(self):
        self.assertTrue(is_within("/a/b", "/a/b/c"))
        self.assertTrue(is_within("/a/b", "/a/b"))
        self.assertTrue(is_within("/", "/etc"))
        for path in ("/a/bc", "/a", "/", "/a/b.txt"):
            self.assertFalse(is_within("/a/b", path), path)


if __name__ == "__main__":
    unittest.main()
