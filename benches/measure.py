#!/usr/bin/env python3
"""Measures the built program from outside, on Linux, beside nginx (Debian: apt-get install nginx-light wrk).

measure.py request [BINARY]   CPU per proxied request, one thread each, as a ratio to nginx in the same rounds
measure.py size [BINARY]      resident memory and start-up time with 10,000 Ingresses

The proxy under test is pinned to core 0, load and backend to core 1; rounds are interleaved, and the ratio of each
round is taken within it, so that a noisy machine disturbs both sides alike.
"""
import json, os, signal, statistics, subprocess, sys, tempfile, time, urllib.request

ROUNDS, SECONDS, CONNECTIONS = 9, 3, 32
BACKEND, NGINX, WEB, ADMIN = 18201, 18202, 18203, 18204

MANIFESTS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: bench}
spec:
  rules: [{host: bench.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: bench, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: bench}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bench, labels: {kubernetes.io/service-name: bench}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: ["127.0.0.1"]}]
""" % BACKEND

NGINX_CONF = """
worker_processes 1; daemon off; pid %(dir)s/%(name)s.pid; error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p;
  fastcgi_temp_path %(dir)s/f; uwsgi_temp_path %(dir)s/u; scgi_temp_path %(dir)s/s;
  upstream app { server 127.0.0.1:%(backend)d; keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:%(port)d backlog=4096; %(location)s }
}
"""
ANSWER = 'location / { return 200 "hello, world"; }'
PROXY = """location / {
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port $server_port;
  }"""

started = []

def start(core, *command):
    process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL)
    started.append(process)
    return process

def wait_for(url, seconds=60):
    deadline = time.time() + seconds
    while time.time() < deadline:
        try:
            request = urllib.request.Request(url, headers={"Host": "bench.example"})
            return urllib.request.urlopen(request, timeout=1).read()
        except OSError:
            time.sleep(0.01)
    sys.exit(f"{url} does not answer")

def family(pid):
    """The process and its children: nginx serves in one."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *map(int, children)]

def cpu(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")

def load(port):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", "Host: bench.example", f"http://127.0.0.1:{port}/"]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(out)
    return int(next(line for line in out.splitlines() if "requests in" in line).split()[0])

def adit(binary, directory):
    return start(0, binary, f"--providers.directory.path={directory}", f"--entryPoints.web.address=127.0.0.1:{WEB}",
                 f"--entryPoints.traefik.address=127.0.0.1:{ADMIN}", "--metrics.prometheus", "--workers=1", "--log.level=WARN")

def request(binary):
    with tempfile.TemporaryDirectory() as directory:
        manifests = os.path.join(directory, "manifests")
        os.mkdir(manifests)
        with open(os.path.join(manifests, "bench.yaml"), "w") as f:
            f.write(MANIFESTS)
        for name, port, location in [("backend", BACKEND, ANSWER), ("proxy", NGINX, PROXY)]:
            with open(os.path.join(directory, name + ".conf"), "w") as f:
                f.write(NGINX_CONF % dict(dir=directory, name=name, backend=BACKEND, port=port, location=location))
        start(1, "nginx", "-c", os.path.join(directory, "backend.conf"))
        nginx = start(0, "nginx", "-c", os.path.join(directory, "proxy.conf"))
        ours = adit(binary, manifests)
        for port in (NGINX, WEB):
            assert wait_for(f"http://127.0.0.1:{port}/") == b"hello, world"
        contenders = {"nginx": (family(nginx.pid), NGINX), "adit": (family(ours.pid), WEB)}
        rounds = []
        for number in range(ROUNDS + 1):
            costs = {}
            for name, (pids, port) in contenders.items():
                before = cpu(pids)
                requests = load(port)
                costs[name] = (cpu(pids) - before) / requests * 1e6
            if number:  # the first one warms up
                rounds.append(costs)
        ratios = sorted(costs["adit"] / costs["nginx"] for costs in rounds)
        print(json.dumps({
            "connections": CONNECTIONS, "rounds": ROUNDS,
            "nginx_us": round(statistics.median(costs["nginx"] for costs in rounds), 2),
            "adit_us": round(statistics.median(costs["adit"] for costs in rounds), 2),
            "ratio_median": round(statistics.median(ratios), 3), "ratio_min": round(ratios[0], 3), "ratio_max": round(ratios[-1], 3),
        }))

def size(binary):
    with tempfile.TemporaryDirectory() as directory:
        for index in range(10_000):
            text = MANIFESTS.replace("bench.example", f"host-{index}.example").replace("bench", f"app-{index}")
            with open(os.path.join(directory, f"{index // 100}.yaml"), "a") as f:
                f.write("---\n" + text)
        begin = time.time()
        ours = adit(binary, directory)
        wait_for(f"http://127.0.0.1:{ADMIN}/readyz", seconds=120)
        ready = time.time() - begin
        time.sleep(3)
        with open(f"/proc/{ours.pid}/status") as f:
            resident = next(line for line in f if line.startswith("VmRSS")).split()[1]
        print(json.dumps({"ingresses": 10_000, "ready_s": round(ready, 2), "cpu_s": cpu([ours.pid]), "rss_mb": round(int(resident) / 1024, 1)}))

if __name__ == "__main__":
    what, binary = sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2] if len(sys.argv) > 2 else "target/dist/adit"
    try:
        {"request": request, "size": size}.get(what, lambda _: sys.exit(__doc__))(binary)
    finally:
        for process in started:
            process.send_signal(signal.SIGINT)
