// Services and how their endpoints do.

import { ask, one } from "./api.js";
import { bare, h, milliseconds, redraw, section, state, whole } from "./dom.js";

const PER_PAGE = 100;
const BALANCE = { p2c: "balanced by latency and load", wrr: "round robin" };
const STATES = { ready: "good", draining: "warn", ejected: "bad" };
const WORDS = { ready: "ready", draining: "draining", ejected: "set aside" };

/** How a service is spoken to, in a few words. */
export function settings({ loadBalancer }) {
  if (!loadBalancer) return "";
  const { strategy, sticky, passHostHeader } = loadBalancer;
  return [BALANCE[strategy], sticky && `sticky by the cookie ${sticky.cookie.name}`, passHostHeader ? null : "the endpoint’s own address as Host"].filter(Boolean).join(", ");
}

const latency = (endpoint) => (endpoint.state === "ejected" || endpoint.latencyMs === null ? "–" : milliseconds(endpoint.latencyMs));

/** The endpoints of a service, each with its health. */
export function endpoints(rows) {
  if (!rows.length) return h("p", {}, state("bad", "no endpoints"), " every request is answered 503 until a pod is ready");
  const shown = rows.slice(0, 200);
  return [
    h(
      "table", { class: "narrow-cards endpoints" },
      h("thead", {}, h("tr", {}, ...["Endpoint", "State", "In flight", "Latency", "Requests"].map((text, index) => h("th", { scope: "col", class: index > 1 && "number" }, text)))),
      h("tbody", {}, ...shown.map((row) => h(
        "tr", {},
        h("th", { scope: "row", class: "mono" }, row.url.replace(/^http:\/\//, "")),
        h("td", {}, state(STATES[row.state], WORDS[row.state])),
        h("td", { class: "number", "data-label": "in flight" }, whole(row.inFlight)),
        h("td", { class: "number", "data-label": "latency" }, latency(row)),
        h("td", { class: "number", "data-label": "requests" }, whole(row.requests)),
      ))),
    ),
    rows.length > shown.length && h("p", { class: "note" }, `and ${whole(rows.length - shown.length)} more`),
  ].filter(Boolean);
}

/** How many are in each state, in one cell. */
function health(rows) {
  if (!rows.length) return state("bad", "no endpoints");
  const count = (name) => rows.filter((row) => row.state === name).length;
  return h("span", { class: "marks" }, ...Object.keys(STATES).filter(count).map((name) => state(STATES[name], `${whole(count(name))} ${WORDS[name]}`)));
}

export function services(_, query) {
  const list = h("div", {});
  const count = h("span", { class: "quiet count", role: "status" });
  const more = h("button", { type: "button", class: "button", hidden: true, click: () => show(pages + 1) }, "Show more");
  const search = h("input", {
    type: "search", placeholder: "Name  ( / )", "aria-label": "Search services", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false",
    input: () => show(1),
  });
  const empty = h("button", { type: "button", "aria-pressed": String(query.get("state") === "empty"), click: () => {
    empty.setAttribute("aria-pressed", String(empty.getAttribute("aria-pressed") !== "true"));
    show(1);
  } }, "no endpoints");
  let pages = 1;
  let round = 0;
  search.value = query.get("q") ?? "";

  function show(wanted) {
    pages = wanted;
    update().catch(() => {});
  }

  async function update() {
    const mine = (round += 1);
    const words = `sortBy=severity&own=false&brief=true&search=${encodeURIComponent(search.value.trim())}${empty.getAttribute("aria-pressed") === "true" ? "&status=warning" : ""}`;
    const answers = await Promise.all(Array.from({ length: pages }, (_, page) => ask(`http/services?${words}&per_page=${PER_PAGE}&page=${page + 1}`).catch((error) => {
      // A page that is no longer there is empty.
      if (error.status !== 400) throw error;
      return { value: [], next: 1, total: 0 };
    })));
    if (mine !== round) return;
    const rows = answers.flatMap(({ value }) => value);
    more.hidden = answers.at(-1).next === 1;
    count.textContent = whole(answers[0].total);
    redraw(list, rows, () => (rows.length ? table(rows) : h("p", { class: "note" }, search.value ? `Nothing matches “${search.value}”.` : "None: no route leads to a Service.")));
  }

  return {
    title: "Services",
    element: h("div", {}, section("Services", { id: "h-services", level: "h1", note: [search, h("div", { class: "choice", role: "group", "aria-label": "State" }, empty), count] }, list, more)),
    update,
  };
}

function table(rows) {
  return h(
    "table", { class: "narrow-cards" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Service"), h("th", { scope: "col" }, "Endpoints"), ...["In flight", "Latency", "Requests", "Routes"].map((text) => h("th", { scope: "col", class: "number" }, text)))),
    h("tbody", {}, ...rows.map((row) => {
      const all = row.endpoints ?? [];
      const sum = (of) => all.reduce((total, endpoint) => total + of(endpoint), 0);
      // The latency of one that failed is a penalty, not a measurement.
      const timed = all.filter((endpoint) => endpoint.latencyMs !== null && endpoint.state !== "ejected");
      return h(
        "tr", {},
        h("th", { scope: "row" }, h("a", { href: `#/service/${encodeURIComponent(row.name)}`, "data-key": row.name }, bare(row.name))),
        h("td", {}, health(all)),
        h("td", { class: "number", "data-label": "in flight" }, whole(sum((it) => it.inFlight))),
        h("td", { class: "number", "data-label": "latency" }, timed.length ? milliseconds(timed.reduce((total, it) => total + it.latencyMs, 0) / timed.length) : "–"),
        h("td", { class: "number", "data-label": "requests" }, whole(sum((it) => it.requests))),
        h("td", { class: "number", "data-label": "routes" }, whole(row.uses)),
      );
    })),
  );
}

export function service(name) {
  const content = h("div", {});
  return {
    title: bare(name),
    element: h("div", {}, h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "#/services" }, "Services"), " / ", bare(name)), content),
    async update() {
      const row = await one(`http/services/${encodeURIComponent(name)}`);
      redraw(content, row ?? "none", () => (row ? [
        h("div", { class: "bar" }, h("h1", { class: "mono" }, bare(name)), health(row.endpoints ?? [])),
        h("p", { class: "quiet" }, settings(row)),
        section("Endpoints", { id: "h-endpoints" }, ...[endpoints(row.endpoints ?? [])].flat()),
        section("Routes that lead here", { id: "h-users" }, users(row.usedBy ?? [])),
      ] : [h("h1", {}, bare(name)), h("p", { class: "note" }, "There is no such service now. ", h("a", { href: "#/services" }, "All services"))]));
    },
  };
}

function users(names) {
  const shown = names.slice(0, 100);
  return h(
    "ul", { class: "plain-list columns" },
    ...shown.map((name) => h("li", {}, h("a", { href: `#/route/${encodeURIComponent(name)}`, "data-key": name }, bare(name)))),
    names.length > shown.length && h("li", { class: "quiet" }, `and ${whole(names.length - shown.length)} more`),
  );
}
