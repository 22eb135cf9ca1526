"""TLS 1.3 with a P-256 certificate: what records cost, and what handshakes cost."""
from client import Wrong, measured, probe
from contenders import HOST
from figures import against


def tls(bench):
    running = bench.start("handshake")
    small = bench.lab.path("small")
    for each in running:
        probe(each, HOST, "tls", "/", small, "--http1.1")
    cases, checks = [], []
    for name, mode, connections in [("keep-alive, 32 connections", "keep", 32), ("a full handshake for each request", "full", 16),
                                    ("a resumed one for each request", "resume", 16)]:
        def work(each):
            sample = measured(each, lambda: bench.load(each, to="tls", tls=mode, connections=connections, seconds=bench.seconds, expect=small))
            # The first handshake of each connection is a full one.
            resumed = sample["requests"] - connections if mode == "resume" else 0
            if not resumed <= sample["resumed"] <= resumed + connections * (mode == "resume"):
                raise Wrong(f"{each.name}: {sample['resumed']} of {sample['requests']} handshakes were resumed")
            return sample
        # The relay hands TLS on to the backend: the floor of the bytes, not of the cryptography.
        case = bench.take_turns(name, [each for each in running if mode != "keep" or "tls" in each.can], work)
        cases.append(case)
        checks += against(case, "nginx", {"keep": 1.0, "full": 0.8, "resume": 1.0}[mode])
        if mode == "full":
            checks += against(case, "agentgateway", 1.0)
        if mode != "keep":
            checks += against(case, "rustls alone", round(1 / 0.85, 2))
    bench.stop(running)
    return cases, checks
