"""HTTP in twenty lines: a greeting with the time for GET, a form, and its echo for POST.

    python3 -m demos.web_hello_server
    curl -i http://127.0.0.1:8081/             the greeting; a browser finds the form at /form
    python3 -m demos.web_hello_server --plain 'hello, world'       what benchmarks call hello
"""
from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime
from urllib.parse import parse_qsl

from protocols.http.message import Application, Request, Response, text_response
from protocols.http.server import HttpServer
from reactor import Reactor

from .commandline import Factory, Server

HTML = (("Content-Type", "text/html; charset=utf-8"),)
FORM = b"""<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width"><title>A form</title>
<form method="post"><label>Your name <input name="name"></label> <button>Send</button></form></html>
"""


def hello(request: Request) -> Response:
    """A greeting on GET, the form on GET /form, the fields of a form on POST."""
    if request.method == "POST":
        fields = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        return text_response("".join(f"{name} = {value}\n" for name, value in fields))
    if request.method not in ("GET", "HEAD"):
        return text_response("GET, HEAD or POST, please\n", 405, (("Allow", "GET, HEAD, POST"),))
    if request.path == "/form":
        return Response(200, HTML, FORM)
    return text_response(f"Hello From Server at {datetime.now()}")


def plain(text: str) -> Application:
    """Answers every GET with `text` and a newline: what benchmarks call hello."""
    answer = Response(200, (("Content-Type", "text/plain"),), text.encode() + b"\n")
    refusal = text_response("GET or HEAD, please\n", 405, (("Allow", "GET, HEAD"),))
    return lambda request: answer if request.method in ("GET", "HEAD") else refusal


def arguments(parser: ArgumentParser) -> None:
    """What it answers."""
    parser.add_argument("--plain", metavar="TEXT", help="answer every GET with TEXT and a newline")


def make(reactor: Reactor, options: Namespace) -> Factory:
    """What makes a protocol object for each connection."""
    application = hello if options.plain is None else plain(options.plain)
    return lambda: HttpServer(application, call_later=reactor.call_later, time=reactor.time)


SERVER = Server("web_hello", 8081, "curl -i http://{host}:{port}/", make, arguments)

if __name__ == "__main__":
    SERVER.main()
