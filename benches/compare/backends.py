"""What the contenders forward to, the answers that are right, and the manifests that lead adit there."""
import base64, hashlib, json, os, subprocess, sys, tempfile
from pathlib import Path

from lab import HERE, LOAD_CORE

SMALL = b"hello, world"
SIZES = {"64KiB": 64 << 10, "1MiB": 1 << 20, "100MB": 100_000_000}


class Backend:
    """nginx with the answers, and the strict backend: it hashes uploads and upgrades connections."""

    def __init__(self, lab):
        self.lab = lab
        self.ports = {name: lab.port() for name in ["plain", "tls", "h2c", "strict"]}
        self.answers()
        self.certify()
        file = lab.fill("backend.conf", "backend.conf", certificate=self.certificate, key=self.key, backend=self.ports["plain"],
                        backend_tls=self.ports["tls"], backend_h2c=self.ports["h2c"])
        self.process = lab.start(LOAD_CORE, "nginx", "-c", file)
        lab.start(LOAD_CORE, sys.executable, HERE / "origin.py", self.ports["strict"])

    def answers(self):
        """The files that are served and sent, and beside each upload the answer that the strict backend owes for it."""
        write = lambda name, data: self.lab.path(name).write_bytes(data)
        write("small", SMALL)
        for name, size in SIZES.items():
            data = os.urandom(min(size, 1 << 20))
            data = (data * (size // len(data) + 1))[:size]
            write(name, data)
            write(f"{name}.received", f"{size} {hashlib.sha256(data).hexdigest()}\n".encode())
        message = b"\0" + (100).to_bytes(4, "big") + os.urandom(100)
        write("unary", message)
        write("stream", message * 100)

    def certify(self):
        self.certificate, self.key, self.pem = (str(self.lab.path(name)) for name in ["cert.pem", "key.pem", "both.pem"])
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example,DNS:grpc.example",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        with open(self.pem, "w") as both:
            both.write(open(self.certificate).read() + open(self.key).read())
        os.chmod(self.key, 0o644)

    def path(self, name):
        """Where a file of that name is served."""
        return "/" if name == "small" else f"/file/{name}"

    def manifests(self, four=()):
        """A directory in which adit finds the same routes that the others have in their configuration."""
        directory = Path(tempfile.mkdtemp(prefix="manifests-", dir=self.lab.directory))
        secret = {name: base64.b64encode(open(file, "rb").read()).decode() for name, file in
                  [("tls.crt", self.certificate), ("tls.key", self.key)]}
        objects = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bench"}, "type": "kubernetes.io/tls", "data": secret}]
        objects += route("bench", "bench.example", [self.ports["plain"]], tls="bench")
        objects += route("origin", "origin.example", [self.ports["strict"]])
        objects += route("grpc", "grpc.example", [self.ports["h2c"]], scheme="h2c")
        objects += route("four", "four.example", four) if four else []
        # JSON is YAML
        directory.joinpath("routes.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
        return str(directory)


def route(name, host, ports, scheme=None, tls=None, paths=("/",), service=None):
    """An Ingress, its Service and a slice for each port; only the Ingress when it is given another's Service."""
    annotations = {"traefik.ingress.kubernetes.io/service.serversscheme": scheme} if scheme else {}
    backend = {"service": {"name": service or name, "port": {"number": 80}}}
    spec = {"rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend} for path in paths]}}]}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}
    own = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "annotations": annotations},
           "spec": {"ports": [{"name": "http", "port": 80}]}}
    if service:
        return [ingress]
    found = [ingress, own]
    if tls:
        # Routes with TLS are on the secure entry point alone, so there is one Ingress for each.
        secure = {"metadata": {"name": f"{name}-tls"}, "spec": spec | {"tls": [{"hosts": [host], "secretName": tls}]}}
        found.append(ingress | secure)
    for index, port in enumerate(ports):
        found.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                      "metadata": {"name": f"{name}-{index}", "labels": {"kubernetes.io/service-name": name}},
                      "ports": [{"name": "http", "port": port}], "endpoints": [{"addresses": ["127.0.0.1"]}]})
    return found
