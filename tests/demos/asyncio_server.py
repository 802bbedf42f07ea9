"""asyncio's own way to serve the checker's profiles: `python3 asyncio_server.py PROFILE HOST PORT`.

For the checker's tests, which may find nothing here.
"""
import asyncio
import signal
import sys


async def serve(reader, writer, profile):
    try:
        while True:
            data = await (reader.readline() if profile == "lines" else reader.read(65536))
            if not data:
                break
            writer.write(data if profile == "echo" else data.upper() if profile == "uppercase"
                         else data.rstrip(b"\r\n").upper() + b"\r\n")
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(profile, host, port):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, profile), host, int(port))
    await stop.wait()
    server.close()


asyncio.run(main(*sys.argv[1:]))
