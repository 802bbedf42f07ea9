"""An application that serves a folder, and nothing outside it.

1. No spelling of a path leads out: paths.py refuses what could, and what the file
   system makes of the rest (symbolic links) must still lie within.  Whoever can
   rename folders in the site while it is served is trusted not to.
2. Nothing that is opened can block: what is not a regular file is refused by its
   type before it is opened, and again by its descriptor after.
3. What a client sends is never part of an answer, save in a Location, encoded.
4. A small file is kept in memory as a whole response.  Each request for it costs one
   stat(): it is sent from memory while inode, size and both times are the same.
5. A larger file is a FileSlice: the protocol reads it as the client takes it.  What is kept
   of it are the fields of its head, as long as what is opened is that very file.
"""
from __future__ import annotations

import errno
import functools
import operator
import os
import stat
import time
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from protocols.http.listing import MAX_ENTRIES, SAFETY, Entry, listing_page
from protocols.http.message import FileSlice, Pairs, Request, Response
from protocols.http.paths import folder_url, is_within, quote_query, split_path
from protocols.http.representation import asks_for_all, error_response, represent, represent_page

KEEP_BYTES = 8 * 1024 * 1024  # in all; what one file may have is representation.READ_AT_ONCE
ENTRY_BYTES = 4096  # reckoned for keeping even an empty file: one may be asked for by many spellings of its path

# Within one tick of its file system's clock a file may change and keep its times and its size.  One that is
# younger than the coarsest tick in use (two seconds, FAT) is not kept.
SETTLED = 2.0

_OTHER_METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
_FLAGS = (os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NOCTTY", 0)
          | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))

_STATUS = {errno.EACCES: 403, errno.EPERM: 403,
           errno.ENOENT: 404, errno.ENOTDIR: 404, errno.ENAMETOOLONG: 404, errno.ELOOP: 404, errno.EINVAL: 404,
           errno.EMFILE: 503, errno.ENFILE: 503, errno.ENOMEM: 503}

# Most heads come again and again as one object; this makes the question below one look-up for them.
_asks_for_all = functools.lru_cache(maxsize=64)(asks_for_all)
# What tells that a file is the one from before, and unchanged.
_signature = operator.attrgetter("st_mtime_ns", "st_ctime_ns", "st_size", "st_ino")


class _Kept(NamedTuple):
    place: str
    signature: Tuple[int, ...]
    headers: Pairs
    response: Optional[Response]  # None for a larger file
    cost: int


class FileApplication:
    """Answers GET and HEAD from below `directory`, whatever a client or the file system does.

    `headers` are added to every answer and take the place of ours of the same
    name.  `clock` is time.time.  Raises OSError where `directory` cannot be listed.
    """

    def __init__(self, directory: str, *, headers: Iterable[Tuple[str, str]] = (),
                 clock: Callable[[], float] = time.time) -> None:
        self._root = os.path.realpath(directory)
        os.scandir(self._root).close()
        self._headers: Pairs = tuple(headers)
        self._clock = clock
        self._kept: Dict[str, _Kept] = {}
        self._kept_bytes = 0

    def __call__(self, request: Request) -> Response:
        """The answer to one request; never raises."""
        head = request.head
        kept = self._kept.get(head.path)
        if kept is not None and _asks_for_all(head):
            try:
                if _signature(os.stat(kept.place)) == kept.signature:
                    return kept.response or _opened_again(kept)
            except OSError:
                pass  # the long way finds out what became of it
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return self._error(405 if request.method in _OTHER_METHODS else 501, (("Allow", "GET, HEAD"),))
        names = split_path(request.path)
        if names is None:
            return self._error(404)
        try:
            return self._find(request, names)
        except OSError as exc:
            return self._error(_STATUS.get(exc.errno or 0, 500))

    def _find(self, request: Request, names: List[str]) -> Response:
        place = os.path.join(self._root, *names)
        if not stat.S_ISDIR(os.stat(self._inside(place)).st_mode):
            return self._error(404) if request.path.endswith("/") else self._file(request, place)
        if not request.path.endswith("/"):
            return self._redirect(names, request.query)
        index = os.path.join(place, "index.html")
        return self._file(request, index) if os.path.lexists(index) else self._listing(request, place, names)

    def _inside(self, place: str) -> str:
        """Where `place` is once all links are followed; raises FileNotFoundError where that is not in our folder."""
        path = os.path.realpath(place)
        if not is_within(self._root, path):
            raise FileNotFoundError(errno.ENOENT, "outside")
        return path

    def _file(self, request: Request, place: str) -> Response:
        path = self._inside(place)
        _require_regular(os.stat(path))
        file = open(path, "rb", buffering=0, opener=_opener)
        try:
            status = os.fstat(file.fileno())
            _require_regular(status)
            response = self._with_headers(represent(request, place, file, status, self._clock()))
        except BaseException:
            file.close()
            raise
        if isinstance(response.body, bytes):
            file.close()
        if response.status == 200:
            # By its place and not by its path: a link that is turned elsewhere is then seen by stat().
            self._keep(request.path, place, status, response)
        return response

    def _redirect(self, names: Sequence[str], query: str) -> Response:
        location = folder_url(names) + ("?" + quote_query(query) if query else "")
        return self._error(301, (("Location", location),))

    def _listing(self, request: Request, place: str, names: Sequence[str]) -> Response:
        entries, complete = self._entries(self._inside(place))
        headers = (("Content-Type", "text/html; charset=utf-8"), *SAFETY)
        return self._with_headers(represent_page(request, listing_page(names, entries, complete), headers))

    def _entries(self, path: str) -> Tuple[List[Entry], bool]:
        """What a listing shows, and whether that is everything."""
        found: List[Entry] = []
        with os.scandir(path) as scan:
            for item in scan:
                if len(found) == MAX_ENTRIES:
                    return found, False
                entry = self._entry(item)
                if entry is not None:
                    found.append(entry)
        return found, True

    def _entry(self, item: "os.DirEntry[str]") -> Optional[Entry]:
        """None for what no request could get: a device, a link that leads out or nowhere."""
        try:
            if item.is_symlink() and not is_within(self._root, os.path.realpath(item.path)):
                return None
            status = item.stat()
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
            return Entry(item.name, stat.S_ISDIR(status.st_mode), status.st_size, status.st_mtime)
        return None

    def _error(self, status: int, headers: Pairs = ()) -> Response:
        return self._with_headers(error_response(status, headers))

    def _with_headers(self, response: Response) -> Response:
        if self._headers:
            replaced = {name.lower() for name, _ in self._headers}
            ours = (pair for pair in response.headers if pair[0].lower() not in replaced)
            response.headers = (*ours, *self._headers)
        return response

    def _keep(self, url: str, place: str, status: os.stat_result, response: Response) -> None:
        small = response if isinstance(response.body, bytes) else None
        became_shorter = isinstance(response.body, bytes) and len(response.body) != status.st_size
        if became_shorter or self._clock() - max(status.st_mtime, status.st_ctime) < SETTLED:
            return
        cost = ENTRY_BYTES + (status.st_size if small else 0)
        self._forget(url)
        while self._kept_bytes + cost > KEEP_BYTES:
            self._forget(next(iter(self._kept)))
        self._kept[url] = _Kept(place, _signature(status), response.headers, small, cost)
        self._kept_bytes += cost

    def _forget(self, url: str) -> None:
        kept = self._kept.pop(url, None)
        if kept is not None:
            self._kept_bytes -= kept.cost


def _opened_again(kept: _Kept) -> Response:
    """The answer from before with the file anew; OSError where it is not that file any more, or a link."""
    file = open(kept.place, "rb", buffering=0, opener=_opener)
    status = os.fstat(file.fileno())
    if _signature(status) != kept.signature:
        file.close()
        raise FileNotFoundError(errno.ENOENT, "another file")
    return Response(200, kept.headers, FileSlice(file, 0, status.st_size))


def _require_regular(status: os.stat_result) -> None:
    """Raises PermissionError for a FIFO, a device, a socket: reading could wait for ever, or do something."""
    if not stat.S_ISREG(status.st_mode):
        raise PermissionError(errno.EACCES, "not a regular file")


def _opener(path: str, _: int) -> int:
    return os.open(path, _FLAGS)
