"""The rows: what is measured, in numbers that may be selected, each with the bounds next to its work."""
from . import bodies, churn, faults, hosts, http2, idle, propagation, small, tls, workers

ROWS = {
    "1": ("HTTP/1.1 keep-alive, small body", small.keep_alive),
    "2": ("HTTP/1.1, a new connection for each request", small.new_connections),
    "3": ("Bodies", bodies.bodies),
    "4": ("TLS 1.3, P-256", tls.tls),
    "5": ("HTTP/2 to HTTP/1.1", http2.to_http1),
    "6": ("gRPC, HTTP/2 on both sides", http2.grpc),
    "7": ("Idle keep-alive connections", idle.idle),
    "8": ("Many hosts", hosts.hosts),
    "9": ("Propagation from a real API server", propagation.propagation),
    "10": ("Churn", churn.churn),
    "11": ("Start to ready", hosts.ready),
    "12": ("One of four backends is bad", faults.faults),
    "13": ("Two workers", workers.workers),
}
