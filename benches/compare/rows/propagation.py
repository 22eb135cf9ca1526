"""How soon what a real API server has accepted is served, beside thousands of Ingresses. Needs a cluster: KUBECONFIG."""
import json, os, subprocess, sys

from contenders import Options
from figures import Case, Check
from lab import resident

COUNTS = [1_000, 10_000, 50_000]
BOUNDS = {1_000: 20, 10_000: 20, 50_000: 40}  # ms, at the 99th percentile


def certificate(lab, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:secure.example",
                    "-keyout", lab.path(f"{name}.key"), "-out", lab.path(f"{name}.crt")], check=True, capture_output=True)


def propagation(bench):
    if "KUBECONFIG" not in os.environ:
        sys.exit("row 9 needs a cluster that may be filled: KUBECONFIG")
    each = next(each for each in bench.installed if each.name == "adit")
    for name in ["a", "b"]:
        certificate(bench.lab, name)
    each.run(bench.lab, bench.backend, Options(cluster=True, cores="0-1"))
    counts = COUNTS[:1] if bench.arguments.quick else COUNTS
    command = [bench.arguments.propagation, each.ports["plain"], each.ports["tls"], bench.lab.directory, *counts]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    cases, checks = [], []
    for line in process.stdout:
        found = json.loads(line)
        case = Case(f"beside {found['count']:,} Ingresses")
        for change, delays in found["changes"].items():
            delays.sort()
            p50, p99 = delays[len(delays) // 2] / 1000, delays[len(delays) * 99 // 100 - 1] / 1000
            case.add(change, {"p50": p50, "p99": p99})
            checks.append(Check(f"{case.name}: {change}: p99 ≤ {BOUNDS[found['count']]} ms", [p99], BOUNDS[found["count"]], "ms"))
        case.add("adit", {"rss_mb": resident(each.pid) / 1e6})
        print(f"  {case.name}", file=sys.stderr)
        cases.append(case)
    if process.wait():
        sys.exit("the measurement broke off")
    bench.stop([each])
    return cases, checks
