"""The listing: what a browser makes of it, whatever the files are called."""
import os
import unittest
from html.parser import HTMLParser
from urllib.parse import urljoin

from protocols.http.listing import Entry, human_size, listing_page, visible
from tests.protocols.http.site import SiteCase

TORTURE = [b"<script>alert(1)</script>", b"\"><img src=x onerror=alert(1)>", b"'onmouseover='x", b"&amp;", b"&lt;",
           b"a b", b"javascript:alert(1)", b"http:", b"data:text", b"#frag", b"?query", b"%41", b"%", b"%2e%2e",
           b"a\nb", b"a\rb", b"\t", b" ", b"\x01\x1b[31m", b"\xff\xfe", b"\xc3\xa9", b"caf\xe9",
           b"\xe2\x80\xaegpj.exe", b"-rf", b"~", b"a\\b", b"\\", b"...", b"..a", b"</a></table></html>", b"<!--",
           b"-->", b"a;b", b"a+b", b"=", b"*", b"\xf0\x9f\x98\x80", b"x" * 255, b"{{7*7}}", b"${7*7}", b"`id`",
           b"$(id)", b"|", b"]]>", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8", b"index.htm"]


class Page(HTMLParser):
    """What a page holds, as a parser sees it."""

    def __init__(self, page):
        super().__init__()
        self.links, self.tags, self.attributes, self.names, self._in_link = [], set(), set(), [], False
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "a":
            self.links.append(dict(attrs)["href"])
            self.names.append("")
            self._in_link = True

    def handle_endtag(self, tag):
        self._in_link = self._in_link and tag != "a"

    def handle_data(self, data):
        if self._in_link:
            self.names[-1] += data


EXPECTED_TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "table", "tr", "td", "a", "bdi", "p"}
EXPECTED_ATTRIBUTES = {"href", "class", "lang", "charset", "name", "content"}


def entries(*names):
    return [Entry(name, False, 1, 0) for name in names]


class Markup(unittest.TestCase):
    def check(self, page):
        self.assertLessEqual(page.tags, EXPECTED_TAGS)
        self.assertLessEqual(page.attributes, EXPECTED_ATTRIBUTES)

    def test_no_name_breaks_out(self):
        names = [os.fsdecode(raw) for raw in TORTURE]
        page = Page(listing_page(names[:2], entries(*names)))
        self.check(page)
        self.assertEqual(len(page.links), 1 + 2 + 1 + len(names))
        for link in page.links[4:]:
            self.assertTrue(urljoin("http://site/x/", link).startswith("http://site/x/"), link)
            self.assertRegex(link, r"\A\./[A-Za-z0-9%._~-]+\Z")

    def test_the_text_of_a_name_is_the_name(self):
        page = Page(listing_page([], entries("<b>", "a&amp;b", "é")))
        self.assertEqual(page.names[1:], ["<b>", "a&amp;b", "é"])

    def test_what_cannot_be_seen_is_marked(self):
        self.assertEqual(visible("a\nb\tc"), "a␊b␉c")
        self.assertEqual(visible(os.fsdecode(b"caf\xe9")), "caf\ufffd")
        self.assertEqual(visible("\u202egpj.exe"), "\ufffdgpj.exe")

    def test_folders_first_then_by_name_whatever_the_case(self):
        rows = [Entry("b", False, 0, 0), Entry("A", False, 0, 0), Entry("z", True, 0, 0), Entry("C", True, 0, 0)]
        self.assertEqual(Page(listing_page([], rows)).names[1:], ["C/", "z/", "A", "b"])

    def test_the_way_up_is_in_every_folder_but_the_first(self):
        self.assertNotIn("../", Page(listing_page([], [])).links)
        self.assertEqual(Page(listing_page(["a", "b"], [])).links, ["/", "/a/", "/a/b/", "../"])

    def test_it_is_made_for_phones_and_for_the_dark(self):
        page = listing_page([], [])
        self.assertIn(b'name="viewport"', page)
        self.assertIn(b"color-scheme:light dark", page)

    def test_sizes_and_dates(self):
        page = listing_page([], [Entry("a", False, 1536, 784111777), Entry("b", False, 1, -1e300),
                                 Entry("c", False, 1, 1e300)])
        self.assertIn(b"1.5 KiB", page)
        self.assertIn(b"1994-11-06 08:49", page)

    def test_human_sizes(self):
        for size, text in ((0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10180, "9.9 KiB"), (10240, "10 KiB"),
                           (1048575, "1.0 MiB"), (5 * 2 ** 30, "5.0 GiB"), (2 ** 50, "1024 TiB")):
            self.assertEqual(human_size(size), text)


@unittest.skipUnless(os.name == "posix", "such names are POSIX's")
class Torture(SiteCase):
    def test_every_file_of_the_listing_can_be_fetched(self):
        made = []
        for raw in TORTURE:
            try:
                with open(os.path.join(os.fsencode(self.site), raw), "wb") as file:
                    file.write(raw)
                made.append(raw)
            except OSError:
                pass  # a file system that wants UTF-8
        self.assertGreater(len(made), 30)
        _, headers, body = self.get("/")
        links = Page(body).links[1:]
        self.assertEqual(sorted(self.get("/" + link[2:])[2] for link in links), sorted(made))
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        self.assertEqual(headers["x-content-type-options"], "nosniff")

    def test_folders_with_such_names_can_be_walked(self):
        for raw in TORTURE:
            try:
                os.mkdir(os.path.join(os.fsencode(self.site), raw))
            except OSError:
                continue
            link = [link for link in Page(self.get("/")[2]).links if link != "/"][0]
            self.assertEqual(self.get("/" + link[2:])[0], 200, raw)
            status, headers, _ = self.get("/" + link[2:-1])
            self.assertEqual((status, headers["location"]), (301, "/" + link[2:]), raw)
            os.rmdir(os.path.join(os.fsencode(self.site), raw))


if __name__ == "__main__":
    unittest.main()
