"""Many hosts: what looking up costs, and what they hold. A file has a hundred Ingresses, each with Service and slice."""
import json, tempfile, time
from pathlib import Path

from backends import route
from client import measured, probe
from contenders import Options
from figures import Case, Check

COUNTS = [1, 1_000, 10_000, 50_000]
MEMORY = {10_000: 60, 50_000: 200}  # MB
SLOWER = 0.3                        # µs of CPU per request
PREFIXES = 100                      # of the worst host; what is asked for matches the last that is tried


def manifests(bench, count, shared):
    """One host for each Ingress. `shared`: all have the same Service, and hence its connections; else one each."""
    directory = Path(tempfile.mkdtemp(prefix="manifests-", dir=bench.lab.directory))
    port = bench.backend.ports["plain"]
    for start in range(0, count, 100):
        objects = [each for index in range(start, min(count, start + 100)) for each in
                   route(f"app-{index}", f"host-{index}.example", [port], service="worst" if shared else None)]
        directory.joinpath(f"{start // 100}.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    worst = route("worst", "worst.example", [port], paths=["/", *(f"/{index:03}/a/b/c/d" for index in range(PREFIXES))])
    directory.joinpath("worst.yaml").write_text("\n---\n".join(map(json.dumps, worst)))
    names = bench.lab.path(f"hosts-{count}")
    names.write_text("".join(f"host-{index}.example\n" for index in range(count)))
    return directory, names


def start(bench, count, shared=False):
    """adit with that many Ingresses, and how long it took until the first right answer of the last of them."""
    each = next(each for each in bench.installed if each.name == "adit")
    each = type(each)(f"adit, {count:,} host{'s' if count > 1 else ''}", each.program, each.start)
    directory, each.hosts = manifests(bench, count, shared)
    begin = time.monotonic()
    each.run(bench.lab, bench.backend, Options(manifests=directory))
    probe(each, f"host-{count - 1}.example", "plain", "/", bench.lab.path("small"), seconds=120)
    each.ready, each.ready_cpu = time.monotonic() - begin, each.cpu()
    return each


def hosts(bench):
    counts = COUNTS[:3] if bench.arguments.quick else COUNTS
    small = bench.lab.path("small")
    memory = Case("Ingresses, each with Service and slice, at rest")
    for count in counts:
        each = start(bench, count)
        time.sleep(3)  # what reading left behind goes back to the kernel within a second
        memory.add(each.name, {"rss_mb": each.resident() / 1e6, "seconds to ready": each.ready})
        bench.stop([each])
    # Looking up is what more hosts may cost. More Services would cost connections of their own.
    running = [start(bench, count, shared=True) for count in counts]
    cases = [memory, bench.take_turns("a random host", running, lambda each: measured(each, lambda: bench.load(
        each, connections=32, seconds=bench.seconds, hosts=each.hosts, expect=small)))]
    cases.append(bench.take_turns("the worst path", running, lambda each: measured(each, lambda: bench.load(
        each, connections=32, seconds=bench.seconds, host="worst.example", path="/zzz/a/b/c/d/e/f/g/h", expect=small))))
    checks = [Check(f"{count:,} Ingresses: RSS ≤ {bound} MB", memory.values(f"adit, {count:,} hosts", "rss_mb"), bound, "MB")
              for count, bound in MEMORY.items() if count in counts]
    one = running[0].name
    for case in cases[1:]:
        for each in running[1:]:
            more = [many - few for many, few in zip(case.values(each.name, "cpu_us"), case.values(one, "cpu_us"))]
            checks.append(Check(f"{case.name}: {each.name.split(', ')[1]} ≤ {SLOWER} µs more than one", more, SLOWER, "µs"))
    bench.stop(running)
    return cases, checks


def ready(bench):
    case = Case("start to ready with 10,000 Ingresses, out of a directory")
    for _ in range(1 if bench.arguments.quick else bench.rounds):
        each = start(bench, 10_000)
        case.add("adit", {"seconds to ready": each.ready, "seconds of CPU": each.ready_cpu, "rss_mb": each.resident() / 1e6})
        bench.stop([each])
    return [case], [Check("ready within 2 s", case.values("adit", "seconds to ready"), 2, "s"),
                    Check("at most 1 s of CPU", case.values("adit", "seconds of CPU"), 1, "s")]
