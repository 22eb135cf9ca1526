// What the dashboard is looked at with: the built program on a directory of manifests, and backends in this process.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A backend that answers with `status`; its port is the system's choice. */
export async function backend(status = 200) {
  const server = http.createServer((request, response) => {
    response.writeHead(request.url.includes("fail") ? 500 : status);
    response.end("hello\n");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, stop: () => server.close() };
}

/** The program, with a directory of manifests. */
export class Gateway {
  static async start(binary, manifests, flags = []) {
    const gateway = new Gateway();
    gateway.directory = mkdtempSync(join(tmpdir(), "adit-dashboard-"));
    gateway.manifests = join(gateway.directory, "manifests");
    mkdirSync(gateway.manifests);
    for (const [name, text] of Object.entries(manifests)) gateway.write(name, text);
    const all = [
      `--providers.directory.path=${gateway.manifests}`, "--entryPoints.web.address=127.0.0.1:0", "--entryPoints.websecure.address=127.0.0.1:0", "--entryPoints.websecure.http.tls=true",
      "--entryPoints.traefik.address=127.0.0.1:0", "--api.insecure", "--ping", "--metrics.prometheus", "--log.format=json", "--workers=1", ...flags,
    ];
    gateway.child = spawn(binary, all, { env: {}, stdio: ["ignore", "pipe", "inherit"] });
    gateway.log = [];
    gateway.ports = {};
    const lines = createInterface({ input: gateway.child.stdout });
    await new Promise((resolve, reject) => {
      gateway.child.once("error", reject);
      gateway.child.once("exit", () => reject(new Error(`the program ended at its start:\n${gateway.log.join("\n")}`)));
      lines.on("line", (line) => {
        gateway.log.push(line);
        const { entryPointName, address } = line.startsWith("{") ? JSON.parse(line) : {};
        if (entryPointName && address) gateway.ports[entryPointName] = Number(address.split(":").at(-1));
        if (Object.keys(gateway.ports).length === 3) resolve();
      });
    });
    const end = Date.now() + 20_000;
    while (!(await gateway.get("/readyz")).ok) {
      if (Date.now() > end) throw new Error(`not ready within 20 s:\n${gateway.log.join("\n")}`);
    }
    return gateway;
  }

  get origin() {
    return `http://127.0.0.1:${this.ports.traefik}`;
  }

  get(path) {
    return fetch(this.origin + path);
  }

  /** A request of a client; its status. */
  ask(host, path = "/", method = "GET") {
    return new Promise((resolve, reject) => {
      const request = http.request({ host: "127.0.0.1", port: this.ports.web, path, method, headers: { Host: host } }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      request.on("error", reject).end();
    });
  }

  /** Writes a manifest as an editor would. */
  write(name, text) {
    writeFileSync(join(this.directory, ".next"), text);
    renameSync(join(this.directory, ".next"), join(this.manifests, name));
  }

  remove(name) {
    rmSync(join(this.manifests, name));
  }

  stop() {
    this.child.removeAllListeners("exit");
    this.child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function ingress(namespace, name, host, paths, { service = name, tls, annotations = "" } = {}) {
  const rules = paths.map((path) => `          - {path: "${path}", pathType: Prefix, backend: {service: {name: ${service}, port: {number: 80}}}}`);
  const secure = tls ? `\n  tls: [{hosts: ["${host}"], secretName: ${tls}}]` : "";
  return `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ${name}, namespace: ${namespace}, annotations: {${annotations}}}
spec:${secure}
  rules:
    - ${host ? `host: "${host}"\n      ` : ""}http:
        paths:
${rules.join("\n")}
`;
}

export function service(namespace, name, ports, annotations = "") {
  const endpoints = ports.map((port) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${port}, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: http, port: ${port}}]
endpoints: [{addresses: ["127.0.0.1"], conditions: {ready: true, serving: true}}]
`);
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}, annotations: {${annotations}}}
spec:
  ports: [{name: http, port: 80, targetPort: 80}]
${endpoints.join("")}`;
}

/** A Secret with a self-signed certificate for these hosts, good for so many days; and the key, to look for where it must not be. */
export function secret(namespace, name, hosts, days) {
  const directory = mkdtempSync(join(tmpdir(), "adit-certificate-"));
  const [key, certificate] = [join(directory, "key"), join(directory, "certificate")];
  const names = `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(",")}`;
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", String(days), "-subj", `/CN=${hosts[0]}/O=Example`, "-addext", names, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  const encoded = (file) => readFileSync(file).toString("base64");
  const text = `---
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: ${namespace}}
type: kubernetes.io/tls
data: {tls.crt: ${encoded(certificate)}, tls.key: ${encoded(key)}}
`;
  const pem = readFileSync(key, "utf8");
  rmSync(directory, { recursive: true });
  return { text, key: pem };
}
