"""asyncio's own way to serve the checker's profiles: `python3 asyncio_server.py PROFILE HOST PORT`.

For the checker's tests, which may find nothing here.  The profile "protocol" is echo too, with a Protocol instead of
streams; "http" serves the folder in which it runs.
"""
import asyncio
import os
import signal
import sys
import urllib.parse

PAGE = b"".join(b"line %07d of a page\n" % number for number in range(20000))


async def stream(reader, writer, profile):
    while True:
        data = await (reader.readline() if profile == "lines" else reader.read(65536))
        if not data:
            break
        writer.write(data if profile == "echo" else data.upper() if profile == "uppercase"
                     else data.rstrip(b"\r\n").upper() + b"\r\n")
        await writer.drain()


async def page(reader, writer, profile):
    if await reader.readline():
        writer.write(PAGE)
        await writer.drain()


async def http(reader, writer, profile):
    while True:
        line = await reader.readline()
        head = [field.strip().lower() async for field in fields(reader)]
        if not line:
            break
        status, body = found(*line.split()) if len(line.split()) == 3 else (b"400 Bad Request", b"")
        stays = line.rstrip().endswith(b"1.1") and b"connection: close" not in head
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: %b\r\n\r\n" %
                     (status, len(body), b"keep-alive" if stays else b"close") + body)
        await writer.drain()
        if not stays:
            break


async def fields(reader):
    line = await reader.readline()
    while line.strip():
        yield line
        line = await reader.readline()


def found(method, target, version):
    here = os.path.realpath(os.getcwdb())
    path = os.path.realpath(os.path.join(here, urllib.parse.unquote_to_bytes(target).lstrip(b"/")))
    if method != b"GET":
        return b"405 Method Not Allowed", b""
    if not path.startswith(here + b"/") or not os.path.isfile(path):
        return b"404 Not Found", b""
    with open(path, "rb") as file:
        return b"200 OK", file.read()


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def serve(reader, writer, profile):
    try:
        await {"page": page, "http": http}.get(profile, stream)(reader, writer, profile)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(profile, host, port):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    server = await (loop.create_server(Echo, host, int(port)) if profile == "protocol" else
                    asyncio.start_server(lambda reader, writer: serve(reader, writer, profile), host, int(port)))
    await stop.wait()
    server.close()


asyncio.run(main(*sys.argv[1:]))
