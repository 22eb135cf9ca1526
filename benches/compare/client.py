"""The load generators, and what each of them found. Every answer is checked: one that is wrong ends the run."""
import hashlib, json, re, subprocess, sys, time
from pathlib import Path

from lab import LOAD_CORE, compile_c


class Wrong(Exception):
    """A contender gave an answer that it should not have given."""


class Load:
    """load.c: HTTP/1.1, with or without TLS."""

    def __init__(self, lab):
        self.program = compile_c(lab, "load", "-lssl", "-lcrypto")

    def start(self, contender, to="plain", **settings):
        words = [f"{key}={value}" for key, value in dict(settings, port=contender.ports[to]).items()]
        return subprocess.Popen(["taskset", "-c", str(LOAD_CORE), self.program, *words], stdout=subprocess.PIPE, text=True)

    def finish(self, contender, process, tolerate=False):
        out = process.communicate()[0]
        found = json.loads(out) if out else {"requests": 0, "failed": 1, "histogram": [], "problem": "the load generator gave up"}
        if not tolerate and (found["failed"] or not found["requests"]):
            raise Wrong(f"{contender.name}: {found['failed']} of {found['requests']} failed: {found['problem']}\n{contender.said()}")
        return found

    def __call__(self, contender, to="plain", tolerate=False, **settings):
        return self.finish(contender, self.start(contender, to, **settings), tolerate)


def measured(contender, work):
    """CPU-µs per request and requests per second of some work, by the contender's own account."""
    before = contender.cpu()
    found = work()
    spent = contender.cpu() - before
    return found | {"cpu_us": spent / found["requests"] * 1e6, "per_second": found["requests"] / found["seconds"]}


def quantiles(histogram):
    """p50, p99 and p99.9 in milliseconds of a histogram [[µs, count], …]."""
    histogram = sorted(histogram)
    total = sum(count for _, count in histogram)
    found = {}
    for name, share in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)]:
        left = share * total
        for us, count in histogram:
            left -= count
            if left <= 0:
                break
        found[name] = us / 1000
    return found


def h2load(lab, contender, to, url, connections, streams, seconds, length, data=None, headers=(), requests=None):
    """Streams of HTTP/2, for some seconds or some requests. Its log has the status and time of every request."""
    log = lab.path("h2load.log")
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", str(LOAD_CORE), "h2load", *(["-n", str(requests)] if requests else ["-D", str(seconds)]), "-c", str(connections), "-m", str(streams), "-t", "1",
               "-w", "22", "-W", "24", f"--log-file={log}", f"--connect-to=127.0.0.1:{contender.ports[to]}", "--tls13-ciphers=TLS_AES_128_GCM_SHA256"]
    command += ["-d", str(data)] if data else []
    for header in headers:
        command += ["-H", header]
    begin = time.monotonic()
    out = subprocess.run([*command, url], capture_output=True, text=True)
    elapsed = time.monotonic() - begin
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    bad = [line for line in lines if line[1] != "200"]
    bytes_ = re.search(r"\((\d+)\) data", out.stdout)
    under_way = connections * streams * length
    if not lines or bad or not bytes_ or not 0 <= int(bytes_.group(1)) - len(lines) * length <= under_way:
        raise Wrong(f"{contender.name}: {len(bad)} of {len(lines)} wrong, bytes {bytes_ and bytes_.group(1)}\n{out.stdout}{out.stderr}{contender.said()}")
    counts = {}
    for line in lines:
        counts[int(line[2])] = counts.get(int(line[2]), 0) + 1
    return {"requests": len(lines), "seconds": elapsed, "histogram": list(counts.items())}


def fetch(contender, url, *more):
    """One answer by curl: status, body and headers."""
    out = subprocess.run(["curl", "-sSk", "-i", "--max-time", "20", *more, url], capture_output=True)
    head, _, body = out.stdout.partition(b"\r\n\r\n")
    status = head.split()[1:2]
    return int(status[0]) if status else 0, body, head


def probe(contender, host, to, path, file, *more, seconds=60):
    """Asks until the right answer comes for the first time: that status, and a body with that hash."""
    scheme = "https" if to == "tls" else "http"
    port = contender.ports[to]
    url = f"{scheme}://{host}:{port}{path}"
    want = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    deadline = time.monotonic() + seconds
    while True:
        status, body, head = fetch(contender, url, "--resolve", f"{host}:{port}:127.0.0.1", *more)
        if status == 200 and hashlib.sha256(body).hexdigest() == want:
            return head
        if time.monotonic() > deadline or contender.process.poll() is not None:
            sys.exit(f"{contender.name} does not answer {url} rightly: {status} {head[:300]} {body[:80]}\n{contender.said()}")
        time.sleep(0.05)
