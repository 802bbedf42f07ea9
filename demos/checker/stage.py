"""Where a check is played: one fresh run of the server, and the clients of this check.

The server is waited for by connecting, and the connection that succeeds is the first client of the check: a
probe that connects and leaves would itself be what some servers die of.
"""
from __future__ import annotations

import contextlib
import os
import shlex
import socket
import time
from dataclasses import dataclass
from typing import Iterator, List, Optional

from .client import REFUSED, SLOW, Client, Trouble
from .dialects import Dialect
from .program import Program, free_port

START = 10.0  # seconds that a server may take until it accepts
WINDOW = 0.3  # seconds in which who has nothing to do is seen asleep
MOSTLY = 0.7  # of all looks: one that prints may wait for its reader now and then
SPUN = 0.9  # seconds of CPU time that nobody uses to do nothing
SETTLE = 0.1


class Finding(Exception):
    """A fault was seen: its name, and what was seen, for people."""

    def __init__(self, fault: str, saw: str, *, sure: bool = False) -> None:
        super().__init__(saw)
        self.fault = fault
        self.saw = saw
        self.sure = sure  # whatever the program printed, the fault is this one


class NotChecked(Exception):
    """This check says nothing here; the text is the reason."""


class CannotCheck(Exception):
    """Nothing can be checked; the text is the reason."""


@dataclass(frozen=True)
class Target:
    """Whose server it is: a command with {host} and {port} (and {folder}), or one that runs already."""

    command: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    folder: str = ""  # what an http server is to serve

    def words(self, port: int, folder: str = "", *, relative: bool = False) -> List[str]:
        """The command line of one run; files in it are absolute, unless it runs in this folder.  Raises CannotCheck."""
        try:
            words = [word.format(host=self.host, port=port, folder=folder or self.folder)
                     for word in shlex.split(self.command)]
        except (ValueError, KeyError, IndexError) as exc:
            raise CannotCheck(f"the command cannot be filled in ({exc}): write {{host}}, {{port}} or {{folder}}, and "
                              "double other braces") from None
        if relative:
            return words
        # The program may run in another folder, and `sws.py` means the one that lies here.
        first = os.path.abspath(words[0]) if os.sep in words[0] else words[0]
        return [first, *(os.path.abspath(word) if os.path.exists(word) else word for word in words[1:])]

    def where(self, port: int) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    def start(self, port: int) -> Program:
        """Run it.  Raises CannotCheck."""
        words = self.words(port)
        environment = dict(os.environ, PYTHONUNBUFFERED="1")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [os.getcwd(), environment.get("PYTHONPATH")]))
        elsewhere = self.folder if "{folder}" not in self.command else ""
        try:
            return Program(words, elsewhere or None, environment)
        except OSError as exc:
            raise CannotCheck(f"{words[0]} cannot be run: {exc.strerror}") from None


class Stage:
    """One run of the server and its clients.  A context manager: on leaving it all of them are gone."""

    def __init__(self, target: Target, dialect: Dialect, patience: float) -> None:
        self.target, self.dialect, self.patience = target, dialect, patience
        self._claim = socket.socket(type=socket.SOCK_DGRAM)
        self.port = target.port or free_port(self._claim)
        self._clients: List[Client] = []
        self._ready = False
        self.program: Optional[Program] = None

    # -- clients

    def connect(self, *, small: bool = False) -> Client:
        """A new client, `small` if it is to have hardly any room to receive in.  Raises Trouble, CannotCheck."""
        if not self._ready:
            self._wait_until_it_accepts(small)
            return self._clients[-1]
        self._clients.append(Client(self.target.host, self.port, self.patience, small=small))
        return self._clients[-1]

    def _wait_until_it_accepts(self, small: bool) -> None:
        end = time.monotonic() + (START if self.program else 0.0)
        while True:
            try:
                self._clients.append(Client(self.target.host, self.port, self.patience, small=small))
                self._ready = True
                return
            except Trouble as trouble:
                dead = self.program is not None and self.program.status is not None
                if trouble.kind != REFUSED or time.monotonic() > end or dead:
                    raise CannotCheck(self._why_not(trouble)) from None
                time.sleep(0.02)

    def _why_not(self, trouble: Trouble) -> str:
        where = f"{self.target.host}:{self.port}"
        if self.program is None:
            return f"{where}: {trouble}"
        said = "".join(f"\n    | {line}" for line in self.program.last_words()) or " nothing"
        if self.program.status is not None:
            return (f"the program ended (status {self.program.status}) before it accepted a connection on {where}. "
                    f"Its last lines:{said}")
        return (f"the program runs, but nobody accepts on {where} after {START:g} s: does it listen on the port that "
                f"it is given, and is that {{port}} in the command? Its last lines:{said}")

    def ask(self) -> Client:
        """A new client asks and gets the right answer.  Raises Trouble."""
        client = self.connect()
        self.dialect.ask(client)
        return client

    @contextlib.contextmanager
    def blame(self, fault: str, story: str, **kinds: str) -> Iterator[None]:
        """Trouble that a client has inside is this fault, or the one of that kind; {trouble} in the story is what."""
        try:
            yield
        except Trouble as trouble:
            if trouble.kind == SLOW:
                raise NotChecked(f"it takes too long: {trouble}") from None
            raise Finding(kinds.get(trouble.kind, fault), story.format(trouble=trouble)) from None

    def others_are_served(self, fault: str, when: str) -> None:
        """A new client gets its answer."""
        with self.blame(fault, f"{when}, another client asked and got: {{trouble}}."):
            self.ask()

    def leave(self) -> None:
        """All clients go."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    # -- the program

    def spins(self) -> Optional[str]:
        """What it does with its time, in words, if that is spinning; None if it sleeps, or nobody can tell.

        However little a busy machine gives it: who spins is awake whenever one looks, and who waits is asleep.
        Who only waits for a processor counts as awake too, so that what was used has to be more than what was slept.
        Nobody is accused for being busy once, so one looks until it has wasted SPUN.  Raises NotChecked where the
        machine is so busy that it cannot.
        """
        time.sleep(SETTLE)
        start, awake = time.monotonic(), []
        first = look = self.program.cpu() if self.program else None
        while first and look:
            awake.append(look[1])
            passed, used = time.monotonic() - start, look[0] - first[0]
            share = sum(awake) / len(awake)
            if passed > WINDOW and share < MOSTLY:
                return None
            if min(passed, used) > SPUN and used > (1 - share) * passed:
                return f"it used {used:.2f} s of CPU time in {passed:.1f} s, doing nothing, and was hardly ever asleep"
            if passed > 3 * self.patience:
                raise NotChecked("this machine is too busy to tell whether it spins")
            time.sleep(WINDOW / 10)
            look = self.program.cpu() if self.program else None
        return None

    def own_program(self, what: str) -> Program:
        """The program.  Raises NotChecked where it is not ours."""
        if self.program is None:
            raise NotChecked(f"{what} needs --command")
        return self.program

    def again(self) -> None:
        """Start the program once more on the same port; the next connect() waits for it."""
        assert self.program is not None
        self.program.kill()
        self.program = self.target.start(self.port)
        self._ready = False

    def __enter__(self) -> Stage:
        try:
            self.program = self.target.start(self.port) if self.target.command else None
        except BaseException:
            self._claim.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.leave()
        self._claim.close()
        if self.program is not None:
            self.program.kill()
