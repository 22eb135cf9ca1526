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
    # Whoever says goodbye after the handshake asks for nothing: what is left is the handshake, as rustls alone makes it.
    for name, mode, connections, leave in [("keep-alive, 32 connections", "keep", 32, 0), ("a full handshake for each request", "full", 16, 0),
                                           ("a resumed one for each request", "resume", 16, 0), ("a full handshake and a goodbye", "full", 16, 1),
                                           ("a resumed one and a goodbye", "resume", 16, 1)]:
        def work(each):
            sample = measured(each, lambda: bench.load(each, to="tls", tls=mode, leave=leave, connections=connections, seconds=bench.seconds, expect=small))
            # The first handshake of each connection is a full one.
            resumed = sample["requests"] - connections if mode == "resume" else 0
            if not resumed <= sample["resumed"] <= resumed + connections * (mode == "resume"):
                raise Wrong(f"{each.name}: {sample['resumed']} of {sample['requests']} handshakes were resumed")
            return sample
        # The relay hands TLS on to the backend: the floor of the bytes, not of the cryptography.
        case = bench.take_turns(name, [each for each in running if mode != "keep" or "tls" in each.can], work)
        cases.append(case)
        if leave:
            checks += against(case, "rustls alone", round(1 / 0.85, 2)) if mode == "full" else []
            continue
        checks += against(case, "nginx", {"keep": 1.0, "full": 0.8, "resume": 1.0}[mode])
        if mode == "full":
            checks += against(case, "agentgateway", 1.0)
    bench.stop(running)
    return cases, checks
