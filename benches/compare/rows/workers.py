"""Two workers: is the work spread, and what do two do that one does not?"""
import re

from client import h2load, measured, probe
from contenders import HOST, Options
from figures import Case, Check
from lab import threads

ABOVE = 1.25  # times the mean: how much the busiest worker may do


def copy(bench, workers, cores):
    each = next(each for each in bench.installed if each.name == "adit")
    each = type(each)("adit" if workers == 2 else "adit, one worker", each.program, each.start)
    return each.run(bench.lab, bench.backend, Options(workers=workers, cores=cores))


def workers_of(each):
    return {name: spent for name, spent in threads(each.pid).items() if re.fullmatch(r"worker-\d+", name)}


def spread(bench, each, case, work):
    """How much more than the mean the busiest worker did, and the least busy one, in parts of the mean."""
    before = workers_of(each)
    found = work()
    spent = [after - before[name] for name, after in workers_of(each).items()]
    mean = sum(spent) / len(spent) or 1
    case.add("adit", found | {"busiest × mean": max(spent) / mean, "idlest × mean": min(spent) / mean})


def workers(bench):
    two, one = copy(bench, 2, "0-1"), copy(bench, 1, "0-1")
    small = bench.lab.path("small")
    for each in [two, one]:
        probe(each, HOST, "tls", "/", small, "--http2")
    long, short = Case("eight long HTTP/2 connections"), Case("a thousand short connections")
    for _ in range(bench.rounds):
        # As many requests on each connection: what a worker spends says how many connections it was given.
        spread(bench, two, long, lambda: measured(two, lambda: h2load(
            bench.lab, two, "tls", f"https://{HOST}/", 8, 8, None, small.stat().st_size, requests=80_000)))
        spread(bench, two, short, lambda: measured(two, lambda: bench.load(two, requests=1000, connections=32, close=1, expect=small)))
    both = bench.take_turns("64 connections, one worker and two", [one, two], lambda each: measured(
        each, lambda: bench.load(each, connections=64, seconds=bench.seconds, expect=small)))
    ratio = [a / b for a, b in zip(both.values("adit", "per_second"), both.values("adit, one worker", "per_second"))]
    both.samples["adit"] = [sample | {"throughput × one worker": each} for sample, each in zip(both.samples["adit"], ratio)]
    bench.stop([two, one])
    checks = []
    for case in [long, short]:
        checks.append(Check(f"{case.name}: the busiest worker ≤ {ABOVE} × the mean", case.values("adit", "busiest × mean"), ABOVE, "×"))
    return [long, short, both], checks
