"""Endpoints and routes that change all the time, while requests are served at a fixed rate."""
import json, os, sys, threading, time
from pathlib import Path

from backends import route
from client import measured, probe, quantiles
from contenders import HOST, Options
from figures import Case, Check
from lab import threads

EVENTS, EDITS, RATE = 100, 10, 4000  # endpoint events, route edits and requests per second
SLOWER, DRIFT = 1.25, 10             # × the quiet p99; MB of RSS from the first churn to the last


def replace(file, objects):
    """All of a file or nothing: a reader never sees half of it."""
    beside = file.with_suffix(".new")
    beside.write_text("\n---\n".join(map(json.dumps, objects)))
    os.replace(beside, file)


class Churn(threading.Thread):
    """Adds and removes an endpoint of a Service, and changes the path of a route; neither is what the requests use."""

    def __init__(self, directory, port):
        super().__init__(daemon=True)
        self.directory, self.port, self.over, self.events = directory, port, threading.Event(), 0

    def step(self, number):
        objects = route("churned", "churned.example", [self.port, self.port + 1][:1 + number % 2], paths=[f"/{number * EDITS // EVENTS}"])
        if number % (EVENTS // EDITS) == 0:
            replace(self.directory / "route.yaml", objects[:1])
        replace(self.directory / "endpoints.yaml", objects[1:])

    def run(self):
        begin = time.monotonic()
        while not self.over.wait(max(0, begin + self.events / EVENTS - time.monotonic())):
            self.step(self.events)
            self.events += 1


def churn(bench):
    each = next(each for each in bench.installed if each.name == "adit")
    directory = Path(bench.backend.manifests())
    Churn(directory, bench.backend.ports["plain"]).step(0)
    each.run(bench.lab, bench.backend, Options(manifests=directory, cores="0-1"))
    probe(each, HOST, "plain", "/", bench.lab.path("small"))
    seconds, rounds = (2, 2) if bench.arguments.quick else (10, 30)  # five minutes of churn
    quiet, churned = Case("quiet"), Case(f"{EVENTS} endpoint events and {EDITS} route edits per second")

    def sample(case, control):
        before = threads(each.pid).get("control", 0)
        found = measured(each, lambda: bench.load(each, connections=32, rate=RATE, seconds=seconds, expect=bench.lab.path("small")))
        spent = threads(each.pid).get("control", 0) - before
        case.add("adit", found | {"latency": found["histogram"], "p99 ms of a round": quantiles(found["histogram"])["p99"],
                                  "control ms per second": spent / seconds * 1000, "events per second": control() / seconds,
                                  "rss_mb": each.resident() / 1e6})

    for number in range(rounds):
        print(f"\r  churn: round {number + 1}/{rounds} ", end="", file=sys.stderr, flush=True)
        sample(quiet, lambda: 0)
        changes = Churn(directory, bench.backend.ports["plain"])
        changes.start()
        sample(churned, lambda: changes.events)
        changes.over.set()
        changes.join()
    print(file=sys.stderr)
    bench.stop([each])
    pairs = zip(churned.values("adit", "p99 ms of a round"), quiet.values("adit", "p99 ms of a round"))
    memory = churned.values("adit", "rss_mb")
    return [quiet, churned], [Check(f"p99 ≤ {SLOWER} × quiet", [busy / still for busy, still in pairs], SLOWER, "×"),
                              Check(f"RSS drifts by ≤ {DRIFT} MB", [memory[-1] - memory[0]], DRIFT, "MB")]
