"""Connections that do nothing: what each one holds, and whether anybody wakes up for them."""
import resource, subprocess, sys, time

from contenders import HOST, STRICT
from client import Wrong
from figures import Case, Check
from lab import HERE, LOAD_CORE, wakeups

COUNT = 10_000
# What an idle connection may hold, in KB of resident memory; HTTP/2 over TLS is shown without a bound.
KINDS = [("http1", "HTTP/1.1", "plain", HOST, 2), ("tls", "TLS", "tls", HOST, 20), ("h2c", "HTTP/2", "grpc", HOST, 32),
         ("h2", "HTTP/2 over TLS", "tls", HOST, None), ("websocket", "WebSocket", "strict", STRICT, 4)]
WAKEUPS = 10  # a second, of a whole process: timers of its own, not one for each connection


def hold(each, kind, to, host, count):
    holder = subprocess.Popen(["taskset", "-c", str(LOAD_CORE), sys.executable, HERE / "idle.py", kind, str(each.ports[to]), host, str(count)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if holder.stdout.readline() != "ready\n":
        raise Wrong(f"{each.name}: {holder.communicate()[1][-300:]}")
    return holder


def release(each, holder):
    _, said = holder.communicate()
    if holder.returncode:
        raise Wrong(f"{each.name}: {said[-300:]}")


def sample(running, kind, to, host, count, settle, case):
    """One sample of each of `running`, which hold their connections at the same time."""
    before, holders = {}, {}
    for each in running:
        try:
            release(each, hold(each, kind, to, host, 100))  # what is allocated once is not the connections'
            before[each.name] = each.resident()
            holders[each.name] = hold(each, kind, to, host, count)
        except Wrong as wrong:
            if each.name == "adit":
                raise
            case.notes.append(str(wrong))
    here = [each for each in running if each.name in holders]
    time.sleep(settle)
    woken = {each.name: wakeups(each.pid) for each in here}
    spent = {each.name: each.cpu() for each in here}
    time.sleep(10)
    for each in here:
        after = each.resident()
        found = {"KB per connection": (after - before[each.name]) / count / 1000, "wake-ups per second": (wakeups(each.pid) - woken[each.name]) / 10,
                 "CPU ms per second": (each.cpu() - spent[each.name]) * 100, "rss_mb": after / 1e6}
        try:
            release(each, holders[each.name])
            case.add(each.name, found)
        except Wrong as wrong:
            if each.name == "adit":
                raise
            case.notes.append(str(wrong))


def idle(bench):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    rounds, settle = (1, 5) if bench.arguments.quick else (min(3, bench.rounds), 30)
    cases, checks = [], []
    for kind, title, to, host, bound in KINDS:
        # adit keeps more than half of its descriptors for endpoints, and a WebSocket takes two in every proxy.
        count = min(COUNT, limit * 2 // 5)
        case = Case(f"{count:,} × {title}")
        for number in range(rounds):
            print(f"\r  {case.name}: round {number + 1}/{rounds} ", end="", file=sys.stderr, flush=True)
            running = bench.start(without=("relay",))
            for group in [[each] for each in running] if kind == "websocket" else [running]:
                sample(group, kind, to, host, count, settle, case)
            bench.stop(running)
        print(file=sys.stderr)
        cases.append(case)
        if bound:
            checks.append(Check(f"{case.name}: ≤ {bound} KB each", case.values("adit", "KB per connection"), bound, "KB"))
        checks.append(Check(f"{case.name}: wake-ups per second ≤ {WAKEUPS}", case.values("adit", "wake-ups per second"), WAKEUPS, "/s"))
    return cases, checks
