#!/usr/bin/env python3
"""Opens connections, has one right answer on each, and holds them until its input ends: `idle.py KIND PORT HOST COUNT`.

KIND: http1, tls, h2c, h2 (over TLS), websocket.
"""
import resource, socket, ssl, struct, sys

BODY = b"hello, world"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def more(connection, data):
    got = connection.recv(65536)
    if not got:
        sys.exit(f"closed after {data[:200]}")
    return data + got


def http1(connection, host):
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    data = b""
    while not data.endswith(b"\r\n\r\n" + BODY):
        data = more(connection, data)
    assert data.startswith(b"HTTP/1.1 200"), data


def websocket(connection, host):
    connection.sendall((f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data = more(connection, data)
    assert data.startswith(b"HTTP/1.1 101"), data
    connection.sendall(b"echo")
    data = b""
    while data != b"echo":
        data = more(connection, data)


def http2(connection, host, scheme):
    # RFC 7541: indexed GET, scheme and a literal path and authority, without Huffman's code
    fields = b"\x82" + scheme + b"\x04\x06/small" + b"\x01" + bytes([len(host)]) + host.encode()
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, fields))
    data, body = b"", b""
    while True:
        while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
            data = more(connection, data)
        size, kind, flags, stream = int.from_bytes(data[:3], "big"), data[3], data[4], int.from_bytes(data[5:9], "big")
        payload, data = data[9:9 + size], data[9 + size:]
        if kind == 4 and not flags & 1:
            connection.sendall(frame(4, 1, 0))
        assert kind not in (3, 7), f"reset: {payload}"
        if kind == 0:
            body += payload
        if kind in (0, 1) and stream == 1 and flags & 1:
            assert body == BODY, body
            return


def main(kind, port, host, count):
    resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"] if kind == "h2" else ["http/1.1"])
    held = []
    for _ in range(int(count)):
        connection = socket.create_connection(("127.0.0.1", int(port)), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind in ("tls", "h2"):
            connection = context.wrap_socket(connection, server_hostname=host)
        if kind == "websocket":
            websocket(connection, host)
        elif kind in ("h2", "h2c"):
            http2(connection, host, b"\x87" if kind == "h2" else b"\x86")
        else:
            http1(connection, host)
        held.append(connection)
    print("ready", flush=True)
    sys.stdin.read()
    # Whom the proxy has closed meanwhile it did not hold.
    for connection in held:
        connection.setblocking(False)
        try:
            while connection.recv(65536):
                pass
            sys.exit("a connection was closed while it was idle")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass


main(*sys.argv[1:])
