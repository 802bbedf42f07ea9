"""The first page: everything on it, nothing from elsewhere, nothing broken by what it is told."""
import unittest

from protocols.http.index import IndexApplication, Row, index_page
from tests.protocols.http.site import request
from tests.protocols.http.test_listing import Page

ROWS = [Row("echo", "127.0.0.1:10000", "Sends back what it gets.", ["nc 127.0.0.1 10000"]),
        Row("http", "127.0.0.1:8080", "Serves a folder.", url="http://127.0.0.1:8080/"),
        Row("upper", "127.0.0.1:12000", "Shouts.", transport="UDP")]


class Index(unittest.TestCase):
    def test_every_row_is_there(self):
        page = index_page(ROWS, [("The loop", "/loop")]).decode()
        for text in ("echo", "127.0.0.1:10000", "Sends back what it gets.", "<pre>nc 127.0.0.1 10000</pre>", "UDP",
                     'href="http://127.0.0.1:8080/"', 'href="/loop"'):
            self.assertIn(text, page)

    def test_it_loads_nothing(self):
        page = Page(index_page(ROWS))
        self.assertEqual(page.tags & {"script", "img", "iframe", "object", "embed"}, set())
        self.assertNotIn("src", page.attributes)

    def test_nothing_breaks_out(self):
        evil = "\"><script>'&"
        page = Page(index_page([Row(evil, evil, evil, [evil], evil, evil)], [(evil, evil)], evil))
        self.assertNotIn("script", page.tags)
        self.assertEqual(set(page.links), {evil})

    def test_it_is_made_for_phones_and_for_the_dark(self):
        page = index_page([])
        self.assertIn(b'name="viewport"', page)
        self.assertIn(b"color-scheme:light dark", page)

    def test_the_application(self):
        rows = []
        application = IndexApplication(rows)
        rows += ROWS
        self.assertIn(b"Shouts.", application(request("/")).body)
        self.assertEqual([application(request(*args)).status for args in (("/x",), ("/", "HEAD"), ("/", "POST"))],
                         [404, 200, 405])


if __name__ == "__main__":
    unittest.main()
