// Certificates: when each expires, on one line of time, and the hosts that each serves.

import { ask } from "./api.js";
import { fromNow, h, plural, redraw, section, state, svg, whole } from "./dom.js";

const DAY = 86400000;
const KINDS = { enabled: "good", warning: "warn" };
const MOST = 200;
/** So many that expire at one time are told apart. */
const HIGHEST = 6;

export function certificates(_, query) {
  const timeline = h("div", { class: "timeline" });
  const list = h("div", {});
  const count = h("span", { class: "quiet count", role: "status" });
  const search = h("input", {
    type: "search", placeholder: "Name, issuer, Secret  ( / )", "aria-label": "Search certificates", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false",
    input: () => draw(),
  });
  let rows = [];
  let width = 0;
  search.value = query.get("q") ?? "";
  const resized = new ResizeObserver(([entry]) => {
    width = Math.floor(entry.contentRect.width);
    draw();
  });
  resized.observe(timeline);

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const found = rows.filter((row) => JSON.stringify([row.sans, row.hosts, row.secrets, row.issuerCN, row.issuerOrg, row.commonName]).toLowerCase().includes(wanted));
    const minute = Math.floor(Date.now() / 60000);
    count.textContent = wanted ? `${whole(found.length)} of ${whole(rows.length)}` : whole(rows.length);
    redraw(timeline, [found, width, minute], () => (found.length && width ? line(found, width) : []));
    redraw(list, [found, minute, wanted], () => table(found, wanted));
  }

  return {
    title: "Certificates",
    element: h("div", {}, section("Certificates", { id: "h-certificates", level: "h1", note: [search, count] }, timeline, list)),
    close: () => resized.disconnect(),
    async update() {
      rows = (await ask("certificates?sortBy=notAfter&per_page=10000")).value;
      draw();
    },
  };
}

/** Where days lie: near ones far apart, since it is the next weeks that matter. */
function place(days, width) {
  const scale = (value) => Math.sign(value) * Math.log1p(Math.abs(value) / 7);
  const [from, to] = [scale(-14), scale(730)];
  return 8 + ((scale(Math.max(-14, Math.min(730, days))) - from) / (to - from)) * (width - 16);
}

const TICKS = [[-7, "a week ago"], [0, "now"], [7, "7 days"], [30, "30 days"], [90, "90 days"], [365, "a year"]];

function line(rows, width) {
  const piles = new Map();
  for (const row of rows) {
    const x = Math.round(place((new Date(row.notAfter) - Date.now()) / DAY, width) / 9) * 9;
    const pile = piles.get(x) ?? [];
    pile.push(row);
    piles.set(x, pile);
  }
  const floor = 24 + 10 * Math.min(HIGHEST, Math.max(2, ...[...piles.values()].map((pile) => pile.length)));
  const height = floor + 22;
  const ticks = TICKS.filter(([days]) => width > 500 || ![-7, 7].includes(days)).flatMap(([days, text]) => {
    const x = Math.round(place(days, width)) + 0.5;
    return [
      svg("line", { class: days === 0 ? "now" : "grid", x1: x, x2: x, y1: 4, y2: floor }),
      svg("text", { x, y: height - 6, "text-anchor": "middle" }, text),
    ];
  });
  const dots = [...piles].flatMap(([x, pile]) => pile.slice(0, HIGHEST).map((row, index) => {
    const text = pile.length > HIGHEST && index === HIGHEST - 1 ? `and ${pile.length - index} more` : `${row.sans[0] ?? row.commonName}: ${fromNow(new Date(row.notAfter))}`;
    return svg("circle", { class: KINDS[row.status] ?? "bad", cx: x, cy: floor - 7 - index * 10, r: 4 }, svg("title", {}, text));
  }));
  const soon = rows.filter(({ status }) => status === "warning").length;
  const expired = rows.filter(({ status }) => status === "expired").length;
  const label = `When ${plural(rows.length, "certificate")} expire: ${expired} expired, ${soon} within 30 days. The list below says the same.`;
  return svg("svg", { role: "img", "aria-label": label, width, height }, svg("line", { class: "axis", x1: 0, x2: width, y1: floor + 0.5, y2: floor + 0.5 }), ...ticks, ...dots);
}

function table(rows, wanted) {
  if (!rows.length) return h("p", { class: "note" }, wanted ? `Nothing matches “${wanted}”.` : "None out of a Secret: over TLS everyone gets the self-signed certificate that was made at the start.");
  return [
    h(
      "table", { class: "narrow-cards stacked" },
      h("thead", {}, h("tr", {}, ...["Expires", "For", "Serves", "Secret", "Issuer", "Key"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...rows.slice(0, MOST).map((row) => certificate(row))),
    ),
    rows.length > MOST && h("p", { class: "note" }, `and ${plural(rows.length - MOST, "other")} that ${rows.length - MOST === 1 ? "expires" : "expire"} later; search to see them.`),
  ].filter(Boolean);
}

/** So many names, and the rest behind a click. */
function names(all, key) {
  const lines = all.map((name) => h("li", {}, h("code", {}, name)));
  if (lines.length <= 4) return h("ul", { class: "plain-list" }, ...lines);
  return [h("ul", { class: "plain-list" }, ...lines.slice(0, 3)), h("details", { "data-key": key }, h("summary", {}, `and ${whole(lines.length - 3)} more`), h("ul", { class: "plain-list" }, ...lines.slice(3)))];
}

function certificate(row) {
  const when = fromNow(new Date(row.notAfter));
  const serves = row.default ? [...row.hosts, "all other hosts"] : row.hosts;
  const key = [row.keyType, row.keySize || null].filter(Boolean).join(" ");
  return h(
    "tr", {},
    h("th", { scope: "row" }, state(KINDS[row.status] ?? "bad", row.status === "expired" ? `expired ${when}` : when), h("div", { class: "quiet" }, row.notAfter.slice(0, 10))),
    h("td", { "data-label": "for" }, names(row.sans.length ? row.sans : [row.commonName], `for ${row.name}`)),
    h("td", { "data-label": "serves" }, serves.length ? names(serves, `serves ${row.name}`) : h("span", { class: "quiet" }, "no host")),
    h("td", { "data-label": "secret" }, ...row.secrets.map((secret) => h("div", {}, secret))),
    h("td", { "data-label": "issuer" }, [row.issuerCN, row.issuerOrg].filter(Boolean).join(", ") || "–"),
    h("td", { "data-label": "key", title: `serial ${row.serialNumber}\nSHA-256 ${row.certFingerprint}` }, key),
  );
}
