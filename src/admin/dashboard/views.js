// Turns rows of the API into elements. Texts come from manifests, so they are only ever set as text.

/** An element with a class, and children: elements or texts. */
export function el(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const bare = (name) => (name ?? "").replace(/@[^@]*$/, "");

/** A table cell that says in a narrow window what its column would say. */
function cell(name, label, ...children) {
  const element = el("td", name, ...children);
  if (label) element.dataset.label = label;
  return element;
}

/** What was opened stays open when it is drawn anew. */
const open = new Set();

function details(key, summary, content) {
  const element = el("details", "", el("summary", "", summary), content);
  element.open = open.has(key);
  element.addEventListener("toggle", () => (element.open ? open.add(key) : open.delete(key)));
  return element;
}

/** So many, and the rest behind a click. */
function some(key, elements, most) {
  if (elements.length <= most + 1) return elements;
  const rest = elements.slice(most);
  return [...elements.slice(0, most), details(key, `and ${rest.length.toLocaleString("en")} more`, el("div", "rest", ...rest))];
}

/** A reason why the process is not ready. */
export function waiting(reason) {
  return el("li", "error", el("div", "what", el("span", "tag bad", "not ready"), el("span", "", reason)));
}

/** Problems that say the same of several objects are one: thirty equal mistakes must not hide the thirty-first. */
export function alike(rows) {
  const groups = new Map();
  for (const { severity, code, object, field, reason, action } of rows) {
    const key = [severity, code, object.kind, reason, action].join("\n");
    const group = groups.get(key) ?? { key, severity, reason, action, places: [] };
    group.places.push({ ...object, field });
    groups.set(key, group);
  }
  return [...groups.values()];
}

export function problem({ key, severity, reason, action, places }) {
  const label = el("span", `tag ${severity === "error" ? "bad" : "warn"}`, severity);
  const times = places.length > 1 ? el("span", "tag", `${places.length.toLocaleString("en")} objects`) : null;
  const object = ({ kind, namespace, name }) => [kind, [namespace, name].filter(Boolean).join("/")].filter(Boolean).join(" ");
  const what = el("div", "what", label, times, el("span", "", reason));
  const [{ field }] = places;
  // Mostly it is the same field of each.
  const same = places.every((place) => place.field === field);
  const where = places.map((place) => {
    const code = !same && place.field ? el("code", "", place.field) : null;
    return el("div", "where", el("span", "", object(place)), code);
  });
  const list = el("div", same ? "tags" : "", ...some(`problem ${key}`, where, same ? 9 : 3));
  return el("li", severity, what, el("div", "", action), same && field ? el("div", "where", el("code", "", field)) : null, list);
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
  const tls = row.tls ? el("span", "tag tls", "TLS") : null;
  const from = ingress ? `${ingress.namespace}/${ingress.ingressName}` : "configuration";
  const state = row.status === "enabled" ? el("span", "tag good", "serving") : el("span", "tag bad", "503");
  const redirects = (row.middlewares ?? []).some((name) => name.startsWith("redirect-"));
  const service = redirects ? el("span", "quiet", "redirect") : el("code", "", row.service);
  return el(
    "tr", "",
    cell("name", "", el("code", "", row.rule), row.error ? el("div", "why", row.error.join("; ")) : null),
    cell("", "", el("div", "tags", ...points, tls)),
    cell("", "", service),
    cell("sub", "", from),
    cell("", "", state),
  );
}

const BALANCE = { wrr: "round robin" };

export function service(row) {
  const endpoints = row.endpoints ?? [];
  const sum = (of) => endpoints.reduce((total, endpoint) => total + of(endpoint), 0);
  // The latency of one that failed is a penalty, not a measurement.
  const timed = endpoints.filter((endpoint) => endpoint.latencyMs !== null && endpoint.state !== "ejected");
  const latency = timed.length ? milliseconds(timed.reduce((t, e) => t + e.latencyMs, 0) / timed.length) : "–";
  const how = [BALANCE[row.loadBalancer.strategy], row.loadBalancer.sticky ? "sticky cookie" : null].filter(Boolean);
  return el(
    "tr", "",
    cell("name", "", el("code", "", bare(row.name)), how.length ? el("div", "sub", how.join(", ")) : null),
    cell("", "", endpointList(row.name, endpoints)),
    cell("number", "in flight", sum((e) => e.inFlight).toLocaleString("en")),
    cell("number", "latency", latency),
    cell("number", "requests", sum((e) => e.requests).toLocaleString("en")),
  );
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;
}

function endpointList(key, endpoints) {
  if (!endpoints.length) return el("span", "tag bad", "no endpoints");
  const chips = () => el("div", "tags", ...endpoints.map(endpoint));
  if (endpoints.length <= 6) return chips();
  const count = (state) => endpoints.filter((e) => e.state === state).length;
  const words = ["ready", "draining", "ejected"].filter(count).map((state) => `${count(state)} ${state}`);
  return details(`service ${key}`, words.join(", "), chips());
}

function endpoint(row) {
  const chip = el("span", `tag endpoint ${row.state}`, row.url.replace(/^http:\/\//, ""));
  const latency = row.state === "ejected" ? "failed" : row.latencyMs === null ? "no answer yet" : milliseconds(row.latencyMs);
  chip.title = `${row.state}, ${row.inFlight} in flight, ${latency}, ${row.requests} requests`;
  if (row.state !== "ready") chip.append(el("span", "", row.state));
  return chip;
}

const RELATIVE = new Intl.RelativeTimeFormat("en");

/** “in 4 days”, “7 hours ago”: days are too coarse on the last of them. */
function fromNow(date) {
  const hours = (date - Date.now()) / 3600000;
  if (Math.abs(hours) >= 48) return RELATIVE.format(Math.trunc(hours / 24), "day");
  if (Math.abs(hours) >= 1) return RELATIVE.format(Math.trunc(hours), "hour");
  return RELATIVE.format(Math.trunc(hours * 60), "minute");
}

export function certificate(row) {
  const when = fromNow(new Date(row.notAfter));
  const kind = { enabled: "good", warning: "warn" }[row.status] ?? "bad";
  const names = (row.sans.length ? row.sans : [row.commonName]).map((name) => el("code", "line", name));
  const issuer = [row.issuerCN, row.issuerOrg].filter(Boolean).join(", ") || "–";
  const key = [row.keyType, row.keySize || null].filter(Boolean).join(" ");
  const serial = el("td", "sub", key);
  serial.title = `serial ${row.serialNumber}\nSHA-256 ${row.certFingerprint}`;
  return el(
    "tr", "",
    cell("name", "", ...some(`certificate ${row.name}`, names, 3)),
    cell("", "issuer", issuer),
    serial,
    cell("", "", el("span", `tag ${kind}`, row.status === "expired" ? `expired ${when}` : when), el("div", "sub", row.notAfter.slice(0, 10))),
  );
}
