// All routes: searched as one types, sorted by any column, ten thousand as easily as ten.

import { ask } from "./api.js";
import { h, state, whole } from "./dom.js";
import { filter } from "./filter.js";
import { VirtualTable } from "./virtual.js";

export const STATES = ["serving", "empty", "refused"];
const MARKS = { serving: ["good", "serving"], empty: ["warn", "no endpoints"], refused: ["bad", "503"] };
const ORDER = { state: (row) => row.rank, host: (row) => row.host, path: (row) => row.path, service: (row) => row.service, from: (row) => `${row.namespace}/${row.ingress}` };

/** Kept while the browser is on another page: coming back finds it as it was. */
let kept = { rows: [], tag: null };

/** The rows of `/api/routes` by the names of their members. */
export async function load() {
  const { value, tag } = await ask("routes");
  if (tag === kept.tag) return kept.rows;
  const rows = value.routes.map(([router, host, path, pathType, points, tls, action, service, namespace, ingress, stateOf]) => {
    const names = points.map((index) => value.entryPoints[index]).join(" ");
    const row = { router, host, path, pathType, points: names, tls, action, service, namespace, ingress, state: STATES[stateOf], rank: 2 - stateOf };
    row.text = `${host}${path} ${service} ${namespace}/${ingress} ${router}`.toLowerCase();
    return row;
  });
  rows.sort(by("host", true));
  rows.sort(by("state", true));
  kept = { rows, tag };
  return rows;
}

function by(sort, ascending) {
  const of = ORDER[sort];
  const sign = ascending ? 1 : -1;
  return (a, b) => {
    const [one, other] = [of(a), of(b)];
    return one < other ? -sign : one > other ? sign : 0;
  };
}

export const mark = (row) => state(...MARKS[row.state]);

/** What is done with a request, in one cell. */
export function target(row) {
  if (row.action === "redirect") return h("span", { class: "quiet" }, `redirect to ${row.service}`);
  if (row.action === "internal") return h("span", { class: "quiet" }, "adit’s own page");
  return row.service;
}

export function routes(_, query) {
  const search = h("input", {
    type: "search", placeholder: "Search, or host: path: service: ns: state: …  ( / )", "aria-label": "Search routes", "aria-keyshortcuts": "/",
    autocomplete: "off", spellcheck: "false", input: () => changed(),
    keydown: (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      table.focus(0);
    },
  });
  const count = h("span", { class: "quiet count", role: "status" });
  const none = h("p", { class: "note", hidden: true });
  const chips = STATES.map((name) => h("button", { type: "button", "aria-pressed": "false", click: () => toggle(name) }, MARKS[name][1]));
  const table = new VirtualTable({
    label: "Routes",
    columns: [
      { title: "State", name: "c-state", sort: "state" }, { title: "Host", name: "c-host", sort: "host" }, { title: "Path", name: "c-path", sort: "path" },
      { title: "Service", name: "c-service", sort: "service" }, { title: "Ingress", name: "c-from", sort: "from" }, { title: "Entry points", name: "c-points" },
    ],
    draw: (row) => [
      mark(row),
      h("a", { href: `#/route/${encodeURIComponent(row.router)}`, title: row.host }, row.host),
      [h("span", { title: row.path }, row.path), row.pathType !== "Prefix" && h("span", { class: "tag" }, row.pathType)].filter(Boolean),
      target(row),
      row.ingress ? `${row.namespace}/${row.ingress}` : h("span", { class: "quiet" }, "configuration"),
      [row.points.replaceAll(" ", ", "), row.tls === "only" && h("span", { class: "tag" }, "TLS only")].filter(Boolean),
    ].map((cell) => (Array.isArray(cell) ? h("span", {}, ...cell) : cell)),
    sorted: (sort) => {
      order = { sort, ascending: order.sort === sort ? !order.ascending : true };
      show();
    },
  });
  let rows = null;
  let order = { sort: null, ascending: true };
  let later = null;
  search.value = query.get("q") ?? "";
  if (query.has("focus")) setTimeout(() => search.focus());

  function toggle(name) {
    const word = `state:${name}`;
    const words = search.value.split(/\s+/).filter(Boolean);
    const others = words.filter((it) => !it.startsWith("state:"));
    search.value = [...others, ...(words.includes(word) ? [] : [word])].join(" ");
    changed();
  }

  function changed() {
    show();
    window.scrollTo(0, 0);
    clearTimeout(later);
    // The address is for links and for coming back; browsers limit how often it may change.
    later = setTimeout(() => window.history.replaceState(null, "", search.value ? `#/routes?q=${encodeURIComponent(search.value)}` : "#/routes"), 300);
  }

  function show() {
    if (!rows) return;
    const found = rows.filter(filter(search.value));
    if (order.sort) found.sort(by(order.sort, order.ascending));
    table.sortedBy(order.sort, order.ascending);
    table.set(found);
    count.textContent = found.length === rows.length ? `${whole(rows.length)}` : `${whole(found.length)} of ${whole(rows.length)}`;
    none.hidden = found.length > 0;
    table.element.hidden = found.length === 0;
    none.textContent = rows.length ? `Nothing matches “${search.value}”.` : "None: every request is answered 404. Apply an Ingress, or look whether its class is one of ours.";
    STATES.forEach((name, index) => chips[index].setAttribute("aria-pressed", String(search.value.split(/\s+/).includes(`state:${name}`))));
  }

  return {
    title: "Routes",
    element: h(
      "div", {},
      h("section", { "aria-labelledby": "h-routes" },
        h("div", { class: "bar" }, h("h1", { id: "h-routes" }, "Routes"), search, h("div", { class: "choice", role: "group", "aria-label": "State" }, ...chips), count),
        none, table.element),
    ),
    close: () => {
      clearTimeout(later);
      table.close();
    },
    query(given) {
      search.value = given.get("q") ?? "";
      show();
    },
    async update() {
      const loaded = await load();
      if (loaded === rows) return;
      rows = loaded;
      show();
    },
  };
}
