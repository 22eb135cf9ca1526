"""Bodies, down and up: what a mebibyte costs, and that a client who does not read costs no memory."""
import socket, time

from backends import SIZES
from client import measured
from contenders import HOST
from figures import Case, Check, against
from lab import resident

AT_MOST = 16  # MB more than before, with eight clients that do not read 100 MB each
STALLED = 8


def transfer(bench, running, name, direction):
    """One case: bodies of one size in one direction. CPU is per body."""
    def work(each):
        size = SIZES[name]
        connections = 4 if size > 10 << 20 else 16
        settings = {"connections": connections, "timeout": 30}
        settings |= {"requests": connections} if size > 10 << 20 else {"seconds": bench.seconds}
        if direction == "down":
            return measured(each, lambda: bench.load(each, path=f"/file/{name}", expect=bench.lab.path(name), **settings))
        return measured(each, lambda: bench.load(each, to="strict", host="origin.example", path="/", upload=bench.lab.path(name),
                                                 expect=bench.lab.path(f"{name}.received"), **settings))
    return bench.take_turns(f"{name} {direction}", running, work)


def stalled(bench, running):
    """Clients that ask for 100 MB each and read none of it."""
    case = Case(f"{STALLED} clients that ask for 100 MB and do not read")
    for each in running:
        before, clients = resident(each.pid), []
        for _ in range(STALLED):
            client = socket.create_connection(("127.0.0.1", each.ports["plain"]))
            client.sendall(f"GET /file/100MB HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            clients.append(client)
        time.sleep(3 if bench.arguments.quick else 10)
        case.add(each.name, {"MB more": (resident(each.pid) - before) / 1e6, "rss_mb": resident(each.pid) / 1e6})
        for client in clients:
            client.close()
    return case


def bodies(bench):
    running = bench.start("strict")
    # First, while nothing that a transfer left behind could hide it.
    waiting = stalled(bench, running)
    checks = [Check(f"{waiting.name}: at most {AT_MOST} MB more", waiting.values("adit", "MB more"), AT_MOST, "MB")]
    cases = [waiting]
    for name in SIZES:
        for direction in ["down", "up"]:
            case = transfer(bench, running, name, direction)
            cases.append(case)
            if name == "1MiB":
                checks += against(case, "nginx", 0.7) + against(case, "haproxy", 0.7)
    bench.stop(running)
    return cases, checks
