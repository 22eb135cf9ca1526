#!/usr/bin/env python3
"""The strict backend: answers an upload with its length and SHA-256, and upgrades to an echo. `origin.py PORT`.

`origin.py PORT slow|reset|silent|good` is one of four backends of which some are bad: it answers after two seconds,
resets the connection when the request has come, or says nothing at all.
"""
import asyncio, base64, hashlib, resource, socket, struct, sys

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n"
RFC6455 = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def strict(reader, writer, headers):
    if headers.get(b"upgrade"):
        writer.write(UPGRADED % base64.b64encode(hashlib.sha1(headers.get(b"sec-websocket-key", b"") + RFC6455).digest()))
        while data := await reader.read(65536):
            writer.write(data)
        return False
    left = length = int(headers.get(b"content-length", 0))
    digest = hashlib.sha256()
    while left:
        data = await reader.read(min(left, 262144))
        if not data:
            return False
        digest.update(data)
        left -= len(data)
    body = f"{length} {digest.hexdigest()}\n".encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return True


async def serve(reader, writer, behaviour):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:] if line)}
        if behaviour == "strict":
            if not await strict(reader, writer, headers):
                return
        elif behaviour == "silent":
            await reader.read()
            return
        elif behaviour == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        else:
            await asyncio.sleep(2 if behaviour == "slow" else 0.002)
            writer.write(HELLO)
        await writer.drain()


async def main(port, behaviour="strict"):
    async def connection(reader, writer):
        try:
            await serve(reader, writer, behaviour)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", int(port), backlog=4096, limit=262144)
    await server.serve_forever()


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
asyncio.run(main(*sys.argv[1:]))
