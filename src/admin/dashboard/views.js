// Turns rows of the API into elements. Texts come from manifests, so they are only ever set as text.

/** An element with a class, and children: elements or texts. */
export function el(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const bare = (name) => (name ?? "").replace(/@[^@]*$/, "");

export function problem(row) {
  const { kind, namespace, name } = row.object;
  const object = [kind, [namespace, name].filter(Boolean).join("/")].filter(Boolean).join(" ");
  const where = el("div", "where", object, row.field ? el("code", "", ` ${row.field}`) : null);
  const label = el("span", `tag ${row.severity === "error" ? "bad" : "warn"}`, row.severity);
  return el("li", row.severity, el("div", "what", label, ` ${row.reason}`), where, el("div", "", row.action));
}

export function noProblem() {
  return el("li", "fine", "Everything is served as it is written.");
}

export function entryPoint(row) {
  const tags = [];
  if (row.http?.tls) tags.push(el("span", "tag", "TLS only"));
  if (!row.http) tags.push(el("span", "tag", "adit’s own pages"));
  return el("li", "", el("div", "address mono", row.address), el("div", "tags", row.name, ...tags));
}

export function route(row) {
  const ingress = row.observability?.metadata?.ingress;
  const points = (row.entryPoints ?? []).map((name) => el("span", "tag", name));
  const tls = row.tls ? el("span", "tag good", "TLS") : null;
  const from = ingress ? `${ingress.namespace}/${ingress.ingressName}` : "configuration";
  const state = row.status === "enabled" ? el("span", "tag good", "serving") : el("span", "tag bad", "503");
  const redirects = (row.middlewares ?? []).some((name) => name.startsWith("redirect-"));
  const service = redirects ? el("span", "quiet", "redirect") : el("code", "", row.service);
  return el(
    "tr", "",
    el("td", "name", el("code", "", row.rule), row.error ? el("div", "sub", row.error.join("; ")) : null),
    el("td", "", el("div", "tags", ...points, tls)),
    el("td", "", service),
    el("td", "", el("span", "sub", from)),
    el("td", "", state),
  );
}

export function service(row) {
  const endpoints = row.endpoints ?? [];
  const sum = (of) => endpoints.reduce((total, endpoint) => total + of(endpoint), 0);
  const timed = endpoints.filter((endpoint) => endpoint.latencyMs !== null);
  const latency = timed.length ? `${(timed.reduce((t, e) => t + e.latencyMs, 0) / timed.length).toPrecision(2)} ms` : "–";
  const number = (label, text) => {
    const cell = el("td", "number", text);
    cell.dataset.label = label;
    return cell;
  };
  const strategy = [row.loadBalancer.strategy, row.loadBalancer.sticky ? "sticky" : null];
  const title = el("td", "name", el("code", "", bare(row.name)), el("div", "sub", strategy.filter(Boolean).join(", ")));
  return el(
    "tr", "", title, el("td", "", endpointList(row.name, endpoints)),
    number("in flight", String(sum((e) => e.inFlight))), number("latency", latency), number("requests", sum((e) => e.requests).toLocaleString("en")),
  );
}

/** Lists that were opened stay open when the table is drawn anew. */
const open = new Set();

function endpointList(key, endpoints) {
  if (!endpoints.length) return el("span", "tag bad", "no endpoints");
  const chips = () => el("div", "tags", ...endpoints.map(endpoint));
  if (endpoints.length <= 6) return chips();
  const count = (state) => endpoints.filter((e) => e.state === state).length;
  const words = ["ready", "draining", "ejected"].filter(count).map((state) => `${count(state)} ${state}`);
  const details = el("details", "", el("summary", "", words.join(", ")), chips());
  details.open = open.has(key);
  details.addEventListener("toggle", () => (details.open ? open.add(key) : open.delete(key)));
  return details;
}

function endpoint(row) {
  const chip = el("span", `tag endpoint ${row.state}`, row.url.replace(/^http:\/\//, ""));
  const latency = row.latencyMs === null ? "no answer yet" : `${row.latencyMs} ms`;
  chip.title = `${row.state}, ${row.inFlight} in flight, ${latency}, ${row.requests} requests`;
  if (row.state !== "ready") chip.append(el("span", "quiet", row.state));
  return chip;
}

export function certificate(row) {
  const days = Math.floor((new Date(row.notAfter) - Date.now()) / 86400000);
  const left = days < 0 ? `expired ${-days} days ago` : `in ${days} days`;
  const kind = { enabled: "good", warning: "warn" }[row.status] ?? "bad";
  const names = row.sans.length ? row.sans : [row.commonName];
  return el(
    "tr", "",
    el("td", "name", el("code", "", names.join(", "))),
    el("td", "", [row.issuerCN, row.issuerOrg].filter(Boolean).join(", ")),
    el("td", "", el("span", "sub", [row.keyType, row.keySize || null].filter(Boolean).join(" "))),
    el("td", "", el("span", `tag ${kind}`, left), el("div", "sub", row.notAfter.slice(0, 10))),
  );
}
