"""A threaded HTTP/1.0 server with one fault, by name: `python3 faulty_http_server.py FAULT HOST PORT`.

For the checker's tests; it serves the folder in which it runs.  FAULT "none": it has none.
"""
import os
import socketserver
import sys
import urllib.parse

fault = sys.argv[1]


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.answer():
            pass

    def answer(self):
        """Serve one request; True where the connection stays."""
        head = []
        for line in self.rfile:
            if fault == "lf_only":
                line = line[:-1]
            elif fault == "crlf_only":
                line = line[:-2] if line.endswith(b"\r\n") else line
            else:
                line = line.rstrip(b"\r\n")
            if not line:
                break
            head.append(line)
        else:
            return False
        method, path, _ = head[0].split(b" ")
        if method != b"GET" and fault != "bad_request":
            self.say(b"405 Not this", b"")
            return False
        stays = b"keep-alive" in b"".join(head[1:])
        status, body = self.look_up(urllib.parse.unquote_to_bytes(path).lstrip(b"/"))
        self.say(status, body, b"Connection: keep-alive\r\n" if stays else b"")
        if fault == "kept_open":
            return True
        return stays and fault != "not_kept_alive"

    def look_up(self, path):
        path = os.path.join(os.getcwdb(), path)
        if not os.path.realpath(path).startswith(os.path.realpath(os.getcwdb())) and fault != "path_traversal":
            return b"404 Not found", b""
        try:
            if fault == "text_mode":
                with open(path, errors="replace") as file:
                    return b"200 OK", file.read().encode()
            with open(path, "rb") as file:
                return b"200 OK", file.read()
        except OSError:
            if fault == "missing_file":
                os._exit(1)
            return b"404 Not found", b""

    def say(self, status, body, fields=b""):
        self.wfile.write(b"HTTP/1.0 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), fields) + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that leaves is no news."""


with Server((sys.argv[2], int(sys.argv[3])), Handler) as server:
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
