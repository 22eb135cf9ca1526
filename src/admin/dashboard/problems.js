// What is wrong: with what, since when, and how it is mended.

import { ask, one } from "./api.js";
import { fromNow, h, plural, redraw, section, sentence, state, whole } from "./dom.js";

/** Problems that say the same of several objects are one: thirty equal mistakes must not hide the thirty-first. */
export function alike(rows) {
  const groups = new Map();
  for (const { severity, code, object, field, reason, action, since } of rows) {
    const key = [severity, code, object.kind, reason, action].join("\n");
    const group = groups.get(key) ?? { key, severity, code, reason, action, since, places: [] };
    group.places.push({ ...object, field });
    if (since < group.since) group.since = since;
    groups.set(key, group);
  }
  return [...groups.values()];
}

export function problems(_, query) {
  const list = h("div", {});
  const count = h("span", { class: "quiet count", role: "status" });
  let rows = [];
  const search = h("input", {
    type: "search", placeholder: "Object, field, reason  ( / )", "aria-label": "Search problems", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false",
    input: () => draw(),
  });
  search.value = query.get("q") ?? "";

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const groups = alike(rows.filter((row) => JSON.stringify(row).toLowerCase().includes(wanted)));
    count.textContent = wanted ? `${whole(groups.length)} found` : "";
    // The minute is drawn anew with the rest.
    redraw(list, [groups, Math.floor(Date.now() / 60000), wanted], () => draw_all(groups, wanted));
  }

  return {
    title: "Problems",
    element: h("div", {}, section("Problems", { id: "h-problems", level: "h1", note: [search, count] }, list)),
    async update() {
      rows = (await ask("problems?per_page=10000")).value;
      const unknown = [...new Set(rows.map(({ code }) => code))].filter((code) => !meanings.has(code));
      await Promise.all(unknown.map(async (code) => meanings.set(code, await one(`problems/${code}`))));
      draw();
    },
  };
}

const MOST = 300;

/** What each code means; the program that says so does not change while it runs. */
const meanings = new Map();

/** The long explanation, folded: who knows the problem needs the sentence above it alone. */
function meaning({ key, code, places }) {
  const said = meanings.get(code);
  if (!said) return null;
  const look = said.look.replaceAll("NAMESPACE", places[0].namespace || "NAMESPACE");
  return h(
    "details", { "data-key": `${key}\nmeaning` },
    h("summary", {}, "What it means"),
    h("p", {}, ...marked(said.what)),
    h("p", {}, ...marked(said.mend)),
    look && h("p", {}, h("code", {}, look)),
  );
}

/** Text with `code` in it. */
const marked = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

function draw_all(groups, wanted) {
  if (!groups.length) return h("p", { class: "note" }, wanted ? `Nothing matches “${wanted}”.` : "None: every object is served as it is written.");
  const more = groups.length > MOST && h("p", { class: "note" }, `and ${plural(groups.length - MOST, "other")}; search to see them.`);
  return [h("ul", { class: "problems" }, ...groups.slice(0, MOST).map(problem)), more];
}

function problem({ key, severity, code, reason, action, since, places }) {
  const place = ({ kind, namespace, name, field }) =>
    h("li", {}, [kind, [namespace, name].filter(Boolean).join("/")].filter(Boolean).join(" "), field && h("code", {}, field));
  const some = places.slice(0, 3).map(place);
  const rest = places.slice(3);
  const when = since && h("time", { datetime: since, title: since.replace("T", " ").replace("Z", " UTC") }, fromNow(new Date(since)));
  return h(
    "li", { class: severity },
    h("div", { class: "what" }, state(severity === "error" ? "bad" : "warn", severity), h("strong", {}, sentence(reason)), places.length > 1 && h("span", { class: "tag" }, plural(places.length, "object"))),
    h(
      "dl", {},
      h("dt", {}, "Where"),
      h("dd", {}, h("ul", { class: "places" }, ...some), rest.length > 0 && h("details", { "data-key": key }, h("summary", {}, `and ${whole(rest.length)} more`), h("ul", { class: "places" }, ...rest.map(place)))),
      h("dt", {}, "Since"),
      h("dd", {}, when),
      h("dt", {}, "Mend"),
      h("dd", {}, sentence(action), h("span", { class: "quiet" }, " (", h("code", {}, code), " in the handbook)"), meaning({ key, code, places })),
    ),
  );
}
