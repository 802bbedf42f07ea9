"""The http profile: a site of its own making, and a client that reads answers as HTTP/1.0 and 1.1 frame them."""
from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from typing import Dict, List, Optional

from .client import CLOSED, WRONG, Client, Trouble
from .dialects import CRLF, LF, Dialect, compare, numbered_lines, printf, shown, take_line

HELLO = b"Hello, world\n"
# Every byte value, CR and LF in all company, nothing that is UTF-8.
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40 + b"\r\n\n\r\xff\xfe"
SECRET = b"this lies outside the folder that is served\n"


class Site:
    """The files that are asked for.  A context manager: on leaving it they are gone.

    Without `served` they lie in a temporary folder, with a secret beside it; with it, in a new folder inside.
    """

    def __init__(self, served: Optional[str] = None) -> None:
        self._made = tempfile.mkdtemp(prefix="checker-", dir=served)
        os.chmod(self._made, 0o755)  # a server may run as somebody else
        if served:
            self.folder, self.prefix = served, f"/{os.path.basename(self._made)}"
            self.secret, self.secret_path = b"root:", "/etc/passwd"
            write(self._made)
        else:
            self.folder, self.prefix = os.path.join(self._made, "site"), ""
            self.secret, self.secret_path = SECRET, "/secret.txt"
            write_with_secret(self._made)

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *exc_info: object) -> None:
        shutil.rmtree(self._made, ignore_errors=True)


def write(folder: str) -> None:
    """Make the files that are asked for."""
    os.makedirs(os.path.join(folder, "folder"), exist_ok=True)
    for name, data in (("hello.txt", HELLO), ("picture.png", PICTURE), ("big.bin", numbered_lines())):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


def write_with_secret(folder: str) -> None:
    """Make them in folder/site, and the file that nobody is to get beside it."""
    write(os.path.join(folder, "site"))
    with open(os.path.join(folder, "secret.txt"), "wb") as file:
        file.write(SECRET)


@dataclass(frozen=True)
class Response:
    """One answer, its body apart: `stays` where the server promises to keep the connection."""

    status: int
    fields: Dict[str, str]
    stays: bool


class Http(Dialect):
    """GET of a small file and of a big one, in HTTP/1.0."""

    name = "http"
    newline, other = CRLF, LF
    lasting = False

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    @property
    def request(self) -> bytes:
        return self.get("/hello.txt")

    @property
    def strange(self) -> bytes:
        return self.get("/hello.txt", "HTTP/1.0", "X-Letter: \xff")

    def get(self, path: str, version: str = "HTTP/1.0", *fields: str) -> bytes:
        """A request for a file of the site."""
        lines = [f"GET {self.site.prefix}{path} {version}", *fields]
        return self.newline.join(line.encode("latin-1") for line in lines) + 2 * self.newline

    def modern(self, where: str) -> bytes:
        """A request in HTTP/1.1 that asks to keep the connection open."""
        return self.get("/hello.txt", "HTTP/1.1", f"Host: {where}", "Connection: keep-alive")

    def ways_out(self) -> List[str]:
        """Paths of the secret, each written in another way."""
        up = "/.." * (10 if self.site.prefix else 1)
        ways = [up, "/folder/.." + up, up.replace("..", "%2e%2e"), up.replace("/..", "/..%2f")]
        return [way + self.site.secret_path for way in ways]

    def take(self, client: Client) -> None:
        self.take_file(client, HELLO)

    def take_file(self, client: Client, owed: bytes) -> Response:
        """Receive an answer that is 200 and this file.  Raises Trouble."""
        response = self.take_head(client)
        if response.status != 200:
            raise Trouble(WRONG, f"status {response.status} instead of 200")
        self.take_body(client, response, owed)
        return response

    def take_head(self, client: Client) -> Response:
        """Receive the head of an answer.  Raises Trouble where it is none."""
        line = take_line(client)
        words = line.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise Trouble(WRONG, f"{shown(line)} where a status line should stand")
        fields: Dict[str, str] = {}
        for line in iter(lambda: take_line(client).strip(), b""):
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.strip().lower()] = value.strip()
        tokens = fields.get("connection", "").lower()
        stays = "keep-alive" in tokens if words[0] == b"HTTP/1.0" else "close" not in tokens
        return Response(int(words[1]), fields, stays)

    def take_body(self, client: Client, response: Response, owed: bytes) -> None:
        """Receive a body that is these very bytes, until they end as the head says.  Raises Trouble."""
        view, got = memoryview(owed), 0
        length = response.fields.get("content-length")
        if length is not None and length != str(len(owed)):
            raise Trouble(WRONG, f"Content-Length: {length} for a file of {len(owed):,} bytes")
        chunked = response.fields.get("transfer-encoding", "").lower() == "chunked"
        while got < len(owed):
            got += self._take_chunk(client, view, got) if chunked else compare(client, view, got)
        if chunked:
            while take_line(client).strip():  # the last chunk, what may trail it, and the empty line
                pass  # nothing in it is of interest
        elif length is None and client.expect_end():
            raise Trouble(WRONG, f"more than the {len(owed):,} bytes of the file")

    def _take_chunk(self, client: Client, owed: memoryview, got: int) -> int:
        line = take_line(client)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise Trouble(WRONG, f"{shown(line)} where the size of a chunk should stand") from None
        end = got + size
        while got < end:
            piece = client.receive(end - got)
            if not piece:
                raise Trouble(CLOSED, f"{got:,} bytes of {len(owed):,}, then the end of the connection")
            if piece != owed[got:got + len(piece)]:
                raise Trouble(WRONG, f"{got:,} right bytes of {len(owed):,}, then others")
            got += len(piece)
        take_line(client)
        return size

    def ask_much(self, client: Client) -> memoryview:
        client.send(self.get("/big.bin"))
        client.wait_until_stuck()
        return memoryview(b"")

    def take_much(self, client: Client, unsent: memoryview) -> None:
        self.take_file(client, numbered_lines())

    def by_hand(self, where: str) -> Dict[str, str]:
        prefix = "/site" if self.site.prefix else ""  # where --site makes the same files
        server = f"http://{where}"
        said = {**super().by_hand(where), "ask_much": printf(self.get("/big.bin")), "url": server + prefix,
                "modern": printf(self.modern(where)), "modern2": printf(2 * self.modern(where))}
        said = {name: words.replace(self.site.prefix, prefix) if prefix else words for name, words in said.items()}
        ways = " ".join(map(shlex.quote, self.ways_out()))
        return {**said, "site": os.path.join(self.site.folder if prefix else "", "site"),
                "out": f"for path in {ways}; do curl -s --path-as-is {server}$path; done"}
