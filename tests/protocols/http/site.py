"""A folder to serve, and requests for it without a server."""
import os
import shutil
import tempfile
import time
import unittest

from protocols.http.files import FileApplication
from protocols.http.message import FileSlice, Headers, Request, RequestHead

CLIENT = ("127.0.0.1", 50000)


def request(target, method="GET", **fields):
    """A request as the parser would make it; `if_none_match=` becomes If-None-Match."""
    headers = Headers((name.replace("_", "-").title(), value) for name, value in fields.items())
    path, _, query = target.partition("?")
    return Request(RequestHead(method, target, path, query, (1, 1), headers, "localhost", 0, True, False), b"", CLIENT)


def body_of(response):
    """All bytes of a body, and the body closed."""
    body = response.body
    if isinstance(body, bytes):
        return body
    try:
        if isinstance(body, FileSlice):
            body.file.seek(body.offset)
            return body.file.read(body.count)
        return b"".join(body.pieces)
    finally:
        body.close()


class SiteCase(unittest.TestCase):
    """Each test has a fresh folder `self.site` in a fresh folder `self.outside`, and a clock a minute ahead."""

    def setUp(self):
        self.outside = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.outside)
        self.site = os.path.join(self.outside, "site")
        os.mkdir(self.site)
        self.write("../secret.txt", b"secret")
        self.application = self.serve()

    def serve(self, **options):
        options.setdefault("clock", lambda: time.time() + 60)  # files are then old enough to be kept
        return FileApplication(self.site, **options)

    def write(self, name, content=b"content"):
        path = os.path.join(self.site, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def get(self, target, method="GET", **fields):
        """(status, headers in lower case, body); header names that come twice fail."""
        response = self.application(request(target, method, **fields))
        headers = {name.lower(): value for name, value in response.headers}
        self.assertEqual(len(headers), len(response.headers), "a field twice")
        return response.status, headers, body_of(response)

    def status(self, target, method="GET", **fields):
        return self.get(target, method, **fields)[0]
