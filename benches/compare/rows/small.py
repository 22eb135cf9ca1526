"""Small answers over HTTP/1.1: what a request costs, and what a connection costs."""
from client import measured
from figures import against

RATE = 4000  # requests per second for the latencies: well below the knee of the slowest peer


def bounds(case):
    found = []
    for peer, bound in [("nginx", 0.97), ("haproxy", 0.92), ("caddy", 0.2), ("traefik", 0.18), ("agentgateway", 0.25)]:
        found += against(case, peer, bound)
    return found


def keep_alive(bench):
    running = bench.start()
    small = bench.lab.path("small")
    cases, checks = [], []
    for connections, rate in [(1, 1000), (32, RATE), (256, RATE)]:
        def work(each):
            sample = measured(each, lambda: bench.load(each, connections=connections, seconds=bench.seconds, expect=small))
            timed = bench.load(each, connections=connections, seconds=bench.seconds, rate=rate, expect=small)
            return sample | {"latency": timed["histogram"]}
        case = bench.take_turns("1 connection" if connections == 1 else f"{connections} connections", running, work)
        cases.append(case)
        checks += bounds(case)
        if connections == 32:
            checks += against(case, "relay", 1.3)
    bench.stop(running)
    return cases, checks


def new_connections(bench):
    running = bench.start()
    small = bench.lab.path("small")
    case = bench.take_turns("a connection for each request", running, lambda each: measured(
        each, lambda: bench.load(each, connections=32, seconds=bench.seconds, close=1, expect=small)))
    bench.stop(running)
    return [case], against(case, "nginx", 1.0)
