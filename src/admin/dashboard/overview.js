// The first page: what needs attention, the last minutes, the entry points.

import { ask } from "./api.js";
import { Chart, Cursor, sparkline } from "./chart.js";
import { bare, h, milliseconds, plural, redraw, section, sentence, short, state, whole } from "./dom.js";
import { alike } from "./problems.js";

/** What adit itself answers, in words. */
const REASONS = {
  bad_framing: "conflicting Content-Length and Transfer-Encoding", bad_host: "missing, doubled or odd Host", bad_path: "a path that is refused",
  bad_header: "a header that is refused", bad_request: "no HTTP request", unknown_coding: "an unknown transfer coding",
  header_too_large: "a head that is too large", uri_too_long: "a target that is too long", method_not_allowed: "CONNECT or TRACE",
  no_route: "no route matches", no_service: "the Service does not exist", no_port: "the Service has no such port",
  external_name: "ExternalName without leave", unsupported_backend: "a backend that cannot be served", unsupported_policy: "a policy that is not supported",
  no_endpoints: "the Service has no endpoints", connect_failed: "no endpoint could be reached",
  name_unresolved: "the name of an ExternalName Service was not resolved", no_socket: "no socket or source port for a connection to an endpoint",
  connect_timeout: "no endpoint accepted in time",
  upstream_tls: "TLS with the endpoint failed", upstream_reset: "the endpoint closed before it answered", upstream_protocol: "the endpoint’s answer is no HTTP",
  response_timeout: "the endpoint’s answer did not begin in time", response_truncated: "the answer stopped before its end", client_gone: "the client left before its answer",
  head_timeout: "the head did not arrive in time", body_timeout: "the body did not arrive in time", write_timeout: "the client stopped reading",
  tls_handshake: "a TLS handshake failed", proxy_protocol: "a bad PROXY header", overloaded: "too many connections",
  client_limit: "too many connections of one client", memory: "memory was short", loop: "the route leads back to adit", internal: "a bug of adit",
};

export function overview() {
  const cursor = new Cursor();
  const rate = (value) => `${short(value)}/s`;
  const charts = {
    requests: new Chart({ title: "Requests", series: [{ name: "", kind: "c-requests" }], write: rate, cursor }),
    errors: new Chart({ title: "Errors", series: [{ name: "5xx", kind: "c-server" }, { name: "4xx", kind: "c-client" }], write: rate, cursor }),
    latency: new Chart({ title: "Mean latency", series: [{ name: "", kind: "c-latency" }], line: true, write: milliseconds, cursor }),
  };
  const attention = h("div", { class: "attention" });
  const points = h("div", {});
  const refused = h("div", {});
  const choice = h("div", { class: "choice", role: "group", "aria-label": "Entry point" });
  let chosen = "";
  let history = null;
  let health = null;
  let found = null;

  function choose(name) {
    chosen = name;
    draw();
  }

  function draw() {
    const { times, bounds, entryPoints } = history;
    const ends = times.slice(1);
    const seconds = ends.map((end, index) => Math.max(0.001, end - times[index]));
    const shown = entryPoints.filter(({ name }) => !chosen || name === chosen);
    const sum = (key) => ends.map((_, index) => shown.reduce((total, point) => total + point[key][index], 0));
    const rates = (key) => sum(key).map((count, index) => count / seconds[index]);
    const now = times.at(-1) ?? Date.now() / 1000;
    const buckets = bounds.concat(Infinity).map((_, which) => ends.map((_, index) => shown.reduce((total, point) => total + (point.buckets[which]?.[index] ?? 0), 0)));
    const timed = ends.map((_, index) => buckets.reduce((total, bucket) => total + bucket[index], 0));
    const took = sum("seconds");
    const asked = rates("requests");
    charts.requests.set(ends, [asked], now, () => (asked.length ? `peak ${rate(Math.max(...asked))}` : ""));
    charts.errors.set(ends, [rates("serverErrors"), rates("clientErrors")], now);
    charts.latency.set(ends, [timed.map((count, index) => (count ? (took[index] / count) * 1000 : null))], now, (index) => within(bounds, buckets, timed, index));
    redraw(choice, [entryPoints.map(({ name }) => name), chosen], () => ["", ...entryPoints.map(({ name }) => name)].map((name) =>
      h("button", { type: "button", "aria-pressed": String(name === chosen), "data-key": name, click: () => choose(name) }, name || "all")));
    redraw(refused, history.refusals, () => refusals(history));
  }

  /** The header and this page are asked at the same time: whichever comes last. */
  function attend() {
    if (!health?.counts || !found) return;
    const { problems, total, aside } = found;
    redraw(attention, [health, problems, total, aside.map(({ name }) => name)], () => needs(health, problems, total, aside));
  }

  return {
    title: "Overview",
    element: h(
      "div", {},
      h("h1", { class: "unseen" }, "Overview"),
      section("Needs attention", { id: "h-attention" }, attention),
      section("The last 15 minutes", { id: "h-minutes", note: choice }, h("div", { class: "charts" }, ...Object.values(charts).map(({ element }) => element))),
      section("Entry points", { id: "h-points" }, points),
      section("Answered by adit itself", { id: "h-refused", note: h("span", { class: "quiet" }, "in the last 15 minutes, by reason") }, refused),
    ),
    close: () => Object.values(charts).forEach((chart) => chart.close()),
    heard(heard) {
      health = heard;
      attend();
    },
    async update() {
      const [past, listed, trouble, routes, worst] = await Promise.all([
        ask("history"), ask("entrypoints"), ask("problems?per_page=1000"), ask("http/routers?own=false&per_page=1"),
        ask("http/services?own=false&status=enabled&sortBy=severity&brief=true&per_page=10"),
      ]);
      history = past.value;
      draw();
      redraw(points, [listed.value, history], () => entryPoints(listed.value, history));
      const aside = worst.value.filter(({ endpoints }) => endpoints?.some(({ state }) => state === "ejected"));
      found = { problems: trouble.value, total: routes.total, aside };
      attend();
    },
  };
}

/** “99 % within 100 ms”: the bucket that 99 of 100 are in, over the last minute up to `index`. */
function within(bounds, buckets, timed, index) {
  const from = Math.max(0, index - 11);
  const over = (list) => list.slice(from, index + 1).reduce((total, count) => total + count, 0);
  const all = over(timed);
  if (!all) return "";
  let so = 0;
  for (const [which, bound] of bounds.entries()) {
    so += over(buckets[which]);
    if (so >= all * 0.99) return `99 % within ${milliseconds(bound * 1000)}`;
  }
  return `over 1 % take more than ${milliseconds((bounds.at(-1) ?? 0) * 1000)}`;
}

/** `0 %`, `0.25 %`, `12 %`. */
const share = (value) => `${value === 0 ? 0 : (value * 100).toFixed(value < 0.01 ? 2 : value < 0.1 ? 1 : 0)} %`;

/** What is wrong, worst first; or that nothing is. */
function needs(health, problems, total, aside) {
  const { http, certificates } = health.counts;
  const rows = [];
  const row = (kind, word, text, href) => rows.push({ kind, element: h("li", {}, state(kind, word), href ? h("a", { href }, text) : h("span", {}, text)) });
  for (const reason of health.ready?.reasons ?? []) row("bad", "not ready", reason);
  const groups = alike(problems);
  for (const { severity, reason, places } of groups.slice(0, 5)) {
    const more = places.length > 1 ? ` (${plural(places.length, "object")})` : "";
    const [first] = places;
    const where = places.length === 1 ? `${[first.kind, [first.namespace, first.name].filter(Boolean).join("/")].filter(Boolean).join(" ")}: ` : "";
    row(severity === "error" ? "bad" : "warn", severity, `${where}${where ? reason : sentence(reason)}${more}`, "#/problems");
  }
  if (groups.length > 5) row("warn", "more", `and ${plural(groups.length - 5, "other problem")}`, "#/problems");
  if (http.routers.errors) row("bad", "503", `${plural(http.routers.errors, "route is", "routes are")} refused`, "#/routes?q=state:refused");
  if (http.services.warnings) row("warn", "empty", `${plural(http.services.warnings, "service has", "services have")} no endpoints`, "#/services?state=empty");
  for (const { name, endpoints } of aside.slice(0, 3)) {
    const failed = endpoints.filter(({ state }) => state === "ejected").length;
    row("warn", "failing", `${bare(name)}: ${failed} of ${plural(endpoints.length, "endpoint")} set aside after failures`, `#/service/${encodeURIComponent(name)}`);
  }
  if (certificates.errors) row("bad", "expired", `${plural(certificates.errors, "certificate has", "certificates have")} expired`, "#/certificates");
  if (certificates.warnings) row("warn", "expiring", `${plural(certificates.warnings, "certificate expires", "certificates expire")} within 30 days`, "#/certificates");
  const sorted = [...rows.filter(({ kind }) => kind === "bad"), ...rows.filter(({ kind }) => kind !== "bad")];
  if (rows.length) return h("ul", { class: "needs" }, ...sorted.map(({ element }) => element));
  return h("p", { class: "well" }, state("good", "all well"), ` ${plural(total, "route")}, ${plural(certificates.total, "certificate")}, no problems.`);
}

function entryPoints(listed, history) {
  const { times } = history;
  const minute = Math.max(0, times.length - 1 - 12);
  const seconds = times.length > 1 ? times.at(-1) - times[minute] : 0;
  const rows = listed.filter(({ http }) => http).map((point) => {
    const past = history.entryPoints.find(({ name }) => name === point.name);
    const over = (key) => (past?.[key] ?? []).slice(minute).reduce((total, count) => total + count, 0);
    const [requests, failed] = [over("requests"), over("serverErrors")];
    const timed = (past?.buckets ?? []).reduce((total, bucket) => total + bucket.slice(minute).reduce((sum, count) => sum + count, 0), 0);
    return h(
      "tr", {},
      h("th", { scope: "row" }, point.name, point.http.tls ? h("span", { class: "tag" }, "TLS only") : null),
      h("td", { class: "mono" }, point.address),
      h("td", { class: "number", "data-label": "requests" }, seconds ? `${short(requests / seconds)}/s` : "–"),
      h("td", { class: "number", "data-label": "5xx" }, requests ? share(failed / requests) : "–"),
      h("td", { class: "number", "data-label": "mean" }, timed ? milliseconds((over("seconds") / timed) * 1000) : "–"),
      h("td", { class: "number", "data-label": "connections" }, whole(past?.connections.at(-1) ?? 0)),
      h("td", { class: "wide" }, sparkline(past?.requests ?? [], "c-requests")),
    );
  });
  const own = listed.filter(({ http }) => !http).map(({ name, address }) => `${name} ${address}`);
  const head = ["Name", "Address", "Requests", "5xx", "Mean latency", "Connections"];
  return [
    h(
      "table", { class: "narrow-cards" },
      h("thead", {}, h("tr", {}, ...head.map((text, index) => h("th", { scope: "col", class: index > 1 && "number" }, text)), h("th", { scope: "col", class: "wide" }, "Last 15 minutes"))),
      h("tbody", {}, ...rows),
    ),
    h("p", { class: "note" }, "Rates are those of the last minute.", own.length ? ` adit’s own pages: ${own.join(", ")}.` : ""),
  ];
}

function refusals({ refusals, times }) {
  const rows = Object.entries(refusals).map(([reason, counts]) => ({ reason, counts, total: counts.reduce((a, b) => a + b, 0) }));
  if (!rows.length) return h("p", { class: "note" }, times.length > 1 ? "None: every request was answered by an endpoint." : "Nothing was counted yet.");
  rows.sort((a, b) => b.total - a.total);
  return h(
    "table", { class: "narrow-cards" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Reason"), h("th", { scope: "col" }, "What it means"), h("th", { scope: "col", class: "number" }, "Requests"), h("th", { scope: "col", class: "wide" }, "Last 15 minutes"))),
    h("tbody", {}, ...rows.map(({ reason, counts, total }) => h(
      "tr", {},
      h("th", { scope: "row" }, h("code", {}, reason)),
      h("td", {}, sentence(REASONS[reason] ?? "")),
      h("td", { class: "number", "data-label": "requests" }, whole(total)),
      h("td", { class: "wide" }, sparkline(counts, "c-server")),
    ))),
  );
}
