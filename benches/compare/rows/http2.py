"""HTTP/2 in front: to HTTP/1.1 backends, and gRPC end to end."""
import statistics, subprocess

from client import Wrong, fetch, h2load, measured, probe
from contenders import GRPC, HOST
from figures import PEERS, Check, best

SHAPES = [(1, 1), (1, 32), (16, 8)]
STALL_MS = 20  # a delayed acknowledgement is 40 ms; what waits for one has this as its median


def shapes(bench, running, kind, url, length, data=None, headers=()):
    """The three shapes; of each a case, its bound against the best peer, and that it does not stall."""
    cases, checks = [], []
    for connections, streams in SHAPES:
        def work(each):
            sample = measured(each, lambda: h2load(bench.lab, each, url(each), connections, streams, int(bench.seconds), length, data, headers))
            sample["latency"] = sample["histogram"]
            return sample
        case = bench.take_turns(f"{kind}{connections} × {streams} streams", running, work)
        cases.append(case)
        checks += best(case, 0.9, PEERS)
        half = [statistics.median(us for us, count in sample["histogram"] for _ in range(count)) / 1000 for sample in case.samples["adit"]]
        checks.append(Check(f"{case.name}: half of the answers within {STALL_MS} ms", half, STALL_MS, "ms"))
    return cases, checks


def to_http1(bench):
    running = bench.start("h2")
    for each in running:
        probe(each, HOST, "tls", "/", bench.lab.path("small"), "--http2")
    found = shapes(bench, running, "", lambda each: f"https://127.0.0.1:{each.ports['tls']}/", len("hello, world"), headers=[f":authority: {HOST}"])
    bench.stop(running)
    return found


def upstream_connections(bench):
    """Established connections to the HTTP/2 backend now."""
    out = subprocess.run(["ss", "-Htn", "state", "established", f"dport = :{bench.backend.ports['h2c']}"], capture_output=True, text=True)
    return len(out.stdout.splitlines())


def grpc(bench):
    running = bench.start("grpc")
    call = ["--http2-prior-knowledge", "-H", "te: trailers", "-H", "content-type: application/grpc", "--data-binary", f"@{bench.lab.path('unary')}"]
    for each in running:
        url = f"http://{GRPC}:{each.ports['grpc']}/"
        for name in ["unary", "stream"]:
            probe(each, GRPC, "grpc", f"/{name}", bench.lab.path(name), *call)
            trailers = fetch(each, url + name, "--resolve", f"{GRPC}:{each.ports['grpc']}:127.0.0.1", "-v", *call)[3]
            if b"grpc-status: 0" not in trailers:
                raise Wrong(f"{each.name} lost gRPC's trailers: {trailers}")
    cases, checks = [], []
    for name in ["unary", "stream"]:
        length = bench.lab.path(name).stat().st_size
        found = shapes(bench, running, f"{name}, ", lambda each: f"http://127.0.0.1:{each.ports['grpc']}/{name}", length, bench.lab.path("unary"),
                       [f":authority: {GRPC}", "te: trailers", "content-type: application/grpc"])
        cases += found[0]
        checks += found[1]
    ours = next(each for each in running if each.name == "adit")
    rest = [each for each in running if each is not ours]
    bench.stop(rest)
    checks.append(Check("upstream connections after 16 × 8 streams at once", [upstream_connections(bench)], 4, "connections"))
    bench.stop([ours])
    return cases, checks
