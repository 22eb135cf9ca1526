"""HTTP/2 in front: to HTTP/1.1 backends, and gRPC end to end."""
import statistics, subprocess

from client import Wrong, h2load, measured, probe
from contenders import GRPC, HOST
from figures import PEERS, Check, best

SHAPES = [(1, 1), (1, 32), (16, 8)]
STALL_MS = 20  # a delayed acknowledgement is 40 ms; what waits for one has this as its median


def shapes(bench, running, kind, to, url, length, data=None, headers=()):
    """The three shapes; of each a case, its bound against the best peer, and that it does not stall."""
    cases, checks = [], []
    for connections, streams in SHAPES:
        def work(each):
            sample = measured(each, lambda: h2load(bench.lab, each, to, url, connections, streams, int(bench.seconds), length, data, headers))
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
    found = shapes(bench, running, "", "tls", f"https://{HOST}/", len("hello, world"))
    bench.stop(running)
    return found


def upstream_connections(bench):
    """Established connections to the HTTP/2 backend now."""
    out = subprocess.run(["ss", "-Htn", "state", "established", f"dport = :{bench.backend.ports['h2c']}"], capture_output=True, text=True)
    return len(out.stdout.splitlines())


def grpc(bench):
    running = bench.start("grpc")
    message = str(bench.lab.path("unary"))
    headers = ["te: trailers", "content-type: application/grpc"]
    call = [word for header in headers for word in ["-H", header]]
    for each in running:
        for name in ["unary", "stream"]:
            probe(each, GRPC, "grpc", f"/{name}", bench.lab.path(name), "--http2-prior-knowledge", "--data-binary", f"@{message}", *call)
            seen = subprocess.run(["nghttp", "-v", "-d", message, *call, "-H", f":authority: {GRPC}", f"http://127.0.0.1:{each.ports['grpc']}/{name}"],
                                  capture_output=True).stdout
            if b"grpc-status: 0" not in seen:
                raise Wrong(f"{each.name} lost gRPC's trailers: {seen}")
    cases, checks = [], []
    for name in ["unary", "stream"]:
        length = bench.lab.path(name).stat().st_size
        found = shapes(bench, running, f"{name}, ", "grpc", f"http://{GRPC}/{name}", length, message, headers)
        cases += found[0]
        checks += found[1]
    ours = next(each for each in running if each.name == "adit")
    rest = [each for each in running if each is not ours]
    bench.stop(rest)
    checks.append(Check("upstream connections after 16 × 8 streams at once", [upstream_connections(bench)], 4, "connections"))
    bench.stop([ours])
    return cases, checks
