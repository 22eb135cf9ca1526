"""Who is measured and how each is started: one thread on the proxy's core, the same features for all.

Every contender routes by host: bench.example to the HTTP/1.1 backend, origin.example to the strict one,
grpc.example to the HTTP/2 one, four.example to four of which some are bad. It adds X-Forwarded-*, keeps its upstream
connections, and writes an access log or not as the series says.
"""
import os, re, shutil, subprocess
from dataclasses import dataclass, field

from lab import PROXY_CORE, compile_c, cpu, resident

HOST, STRICT, GRPC, FOUR = "bench.example", "origin.example", "grpc.example", "four.example"


@dataclass
class Contender:
    name: str
    program: str
    start: callable              # (lab, backend, options) -> (process, ports)
    version: tuple = ("-v",)
    can: frozenset = frozenset({"plain", "tls", "h2", "grpc", "strict", "four", "handshake"})
    process: object = None
    ports: dict = field(default_factory=dict)

    @property
    def pid(self):
        return self.process.pid

    def run(self, lab, backend, options):
        self.process, self.ports = self.start(self, lab, backend, options)
        return self

    def cpu(self):
        return cpu(self.pid)

    def resident(self):
        return resident(self.pid)

    def said(self):
        return open(self.process.errors).read()[-2000:]


@dataclass
class Options:
    """What a series varies."""
    access_log: bool = False
    workers: int = 1
    cores: object = PROXY_CORE
    manifests: str = None        # adit: another directory of manifests
    cluster: bool = False        # adit: the cluster that KUBECONFIG names, instead of manifests
    four: tuple = ()             # ports of the four backends of four.example


def ports(lab):
    plain, tls = lab.port(), lab.port()
    return {"plain": plain, "tls": tls, "grpc": plain, "strict": plain}


def relay(self, lab, backend, options):
    pairs = {name: (lab.port(), backend.ports[to]) for name, to in
             {"plain": "plain", "tls": "tls", "grpc": "h2c", "strict": "strict"}.items()}
    process = lab.start(options.cores, self.program, *[port for pair in pairs.values() for port in pair])
    return process, {name: pair[0] for name, pair in pairs.items()}


def common(lab, backend, found):
    return dict(found, h2c=found["grpc"], certificate=backend.certificate, key=backend.key, pem=backend.pem,
                backend=backend.ports["plain"], backend_h2c=backend.ports["h2c"], origin=backend.ports["strict"])


def nginx(self, lab, backend, options):
    found = ports(lab) | {"grpc": lab.port()}  # nginx 1.22 cannot tell HTTP/2 from HTTP/1.1 on a plain port
    log = f"access_log {lab.path('nginx.log')} combined buffer=64k flush=1s;" if options.access_log else "access_log off;"
    four = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=10s;" for port in options.four) or "server 127.0.0.1:1;"
    file = lab.fill("nginx.conf", "nginx.conf", access_log=log, four=four, **common(lab, backend, found))
    return lab.start(options.cores, self.program, "-c", file), found


def haproxy(self, lab, backend, options):
    found = ports(lab) | {"grpc": lab.port()}
    log = "log stdout format raw local0 info\n  option httplog" if options.access_log else "no log"
    four = "\n".join(f"  server s{port} 127.0.0.1:{port} pool-max-conn 256 observe layer7 on-error mark-down check inter 2s"
                     for port in options.four) or "  server none 127.0.0.1:1 disabled"
    file = lab.fill("haproxy.cfg", "haproxy.cfg", access_log=log, four=four, **common(lab, backend, found))
    return lab.start(options.cores, self.program, "-f", file), found


def caddy(self, lab, backend, options):
    found = ports(lab)
    log = f"log {{\n\t\toutput file {lab.path('caddy.log')}\n\t}}" if options.access_log else ""
    four = " ".join(f"127.0.0.1:{port}" for port in options.four) or "127.0.0.1:1"
    file = lab.fill("Caddyfile", "Caddyfile", access_log=log, four=four, **common(lab, backend, found))
    environment = {"GOMAXPROCS": "1", "HOME": str(lab.directory), "XDG_DATA_HOME": str(lab.directory)}
    return lab.start(options.cores, self.program, "run", "--adapter", "caddyfile", "--config", file, environment=environment), found


def traefik(self, lab, backend, options):
    found = ports(lab)
    file = lab.fill("traefik.yaml", "traefik.yaml", **common(lab, backend, found))
    command = [f"--entryPoints.web.address=127.0.0.1:{found['plain']}", f"--entryPoints.websecure.address=127.0.0.1:{found['tls']}",
               f"--providers.file.filename={file}", "--log.level=ERROR", "--serversTransport.maxIdleConnsPerHost=256",
               "--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]
    command += ["--experimental.fastProxy"] if self.name.endswith("fastProxy") else []
    command += ["--accessLog", f"--accessLog.filePath={lab.path('traefik.log')}"] if options.access_log else []
    return lab.start(options.cores, self.program, *command, environment={"GOMAXPROCS": "1"}), found


def envoy(self, lab, backend, options):
    found = ports(lab)
    log = ('access_log: [{name: file, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, '
           f'path: {lab.path("envoy.log")}}}}}]') if options.access_log else ""
    file = lab.fill("envoy.yaml", "envoy.yaml", access_log=log, **common(lab, backend, found))
    return lab.start(options.cores, self.program, "-c", file, "--concurrency", "1", "-l", "error"), found


def agentgateway(self, lab, backend, options):
    found = ports(lab)
    file = lab.fill("agentgateway.yaml", "agentgateway.yaml", level="info" if options.access_log else "error", **common(lab, backend, found))
    return lab.start(options.cores, self.program, "-f", file), found


def rustls(self, lab, backend, options):
    found = {"tls": lab.port()}
    return lab.start(options.cores, self.program, found["tls"], backend.certificate, backend.key), found


def adit(self, lab, backend, options):
    found = ports(lab)
    self.admin = lab.port()
    if options.cluster:
        source = "--providers.kubernetesIngress"
    else:
        source = f"--providers.directory.path={options.manifests or backend.manifests(options.four)}"
    command = [source, f"--entryPoints.web.address=127.0.0.1:{found['plain']}",
               f"--entryPoints.websecure.address=127.0.0.1:{found['tls']}", f"--entryPoints.traefik.address=127.0.0.1:{self.admin}",
               "--entryPoints.web.transport.respondingTimeouts.idleTimeout=600s",
               "--entryPoints.websecure.transport.respondingTimeouts.idleTimeout=600s",
               "--metrics.prometheus", f"--workers={options.workers}", "--log.level=WARN"]
    command += ["--accessLog", f"--accessLog.filePath={lab.path('adit.log')}"] if options.access_log else []
    return lab.start(options.cores, self.program, *command), found


def installed(lab, arguments):
    """All that can be measured here: those that are installed, and those that a path was given for."""
    found = [Contender("relay", compile_c(lab, "relay"), relay, can=frozenset({"plain", "tls", "h2", "grpc", "strict", "handshake"}))]
    for name, start, version in [("nginx", nginx, ("-v",)), ("haproxy", haproxy, ("-v",)), ("caddy", caddy, ("version",))]:
        program = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program:
            found.append(Contender(name, program, start, version))
    basic = frozenset({"plain", "tls", "h2", "strict", "handshake"})
    if arguments.traefik:
        found.append(Contender("traefik", arguments.traefik, traefik, ("version",), basic | {"grpc"}))
        found.append(Contender("traefik fastProxy", arguments.traefik, traefik, ("version",), basic))
    if arguments.envoy:
        found.append(Contender("envoy", arguments.envoy, envoy, ("--version",), basic | {"grpc"}))
    if arguments.agentgateway:
        found.append(Contender("agentgateway", arguments.agentgateway, agentgateway, ("--version",), basic))
    if os.access(arguments.rustls, os.X_OK):
        found.append(Contender("rustls alone", arguments.rustls, rustls, can=frozenset({"handshake"})))
    found.append(Contender("adit", arguments.adit, adit, ("--version",)))
    if arguments.only:
        found = [each for each in found if each.name in (*arguments.only, "adit")]
    return found


def versions(contenders):
    """The first thing that looks like a version in what each says of itself."""
    found = {}
    for each in contenders:
        if each.name not in ("relay", "rustls alone"):
            said = subprocess.run([each.program, *each.version], capture_output=True, text=True)
            match = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
            found[each.name] = match.group() if match else "?"
    return found
